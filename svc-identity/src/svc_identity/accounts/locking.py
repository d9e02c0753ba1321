"""Use cases: lock accounts for a cause, and unlock them."""

from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.agreements import Grant
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts import events, repository
from svc_identity.accounts.errors import AccountNotLocked, LockIsFinal
from svc_identity.accounts.models import FOR_EVER, Account, AccountLock, AccountState, LockCause
from svc_identity.accounts.schemas import AccountOut
from svc_identity.accounts.service import disclosed, required, shown, touch


async def lock_account(
    session: AsyncSession, *, caller: Caller, grant: Grant, account_id: UUID, cause: LockCause
) -> AccountOut:
    """Lock for a cause; a second lock for the same open cause changes nothing."""
    account = await required(session, account_id, lock=True)
    await _lock(session, caller, account, cause)
    await disclosed(session, caller, grant, account.personal_id, Outcome.DISCLOSED)
    return await shown(session, account)


async def lock_for_death(session: AsyncSession, actor: Actor, *, personal_id: str) -> None:
    """Lock the account of a person who died, for ever and without a human step."""
    for number in {personal_id, await former_numbers.current(session, personal_id)}:
        await lock_by_event(session, actor, number, LockCause.DEATH)


async def lock_by_event(session: AsyncSession, actor: Actor, personal_id: str, cause: LockCause) -> None:
    account = await repository.account_of(session, personal_id, lock=True)
    if account is not None:
        await _lock(session, actor, account, cause)


async def _lock(session: AsyncSession, actor: Actor, account: Account, cause: LockCause) -> None:
    if any(lock.cause is cause for lock in await repository.open_locks(session, account.id)):
        return
    account.state = AccountState.LOCKED
    touch(account)
    await repository.add_lock(
        session,
        AccountLock(id=new_id(), account_id=account.id, cause=cause, started_by=actor.actor),
    )
    await publish(session, events.locked(account, cause))
    await record_audit(
        session,
        actor,
        action="account_locked",
        entity_type="account",
        entity_id=account.id,
        details={"cause": cause.value},
    )
    log.info("account_locked", account_id=str(account.id), cause=cause.value)


async def unlock_account(
    session: AsyncSession, *, caller: Caller, grant: Grant, account_id: UUID, cause: LockCause
) -> AccountOut:
    """End the lock of one cause; the account is ACTIVE again when no other lock is open.

    Raises:
        LockIsFinal: the causes of death and of a cancelled number never end.
        AccountNotLocked: there is no open lock of this cause.
    """
    account = await required(session, account_id, lock=True)
    locks = await repository.open_locks(session, account_id)
    if any(lock.cause in FOR_EVER for lock in locks):
        raise LockIsFinal
    ending = next((lock for lock in locks if lock.cause is cause), None)
    if ending is None:
        raise AccountNotLocked
    await end_lock(session, caller, account, ending, last=len(locks) == 1)
    await disclosed(session, caller, grant, account.personal_id, Outcome.DISCLOSED)
    return await shown(session, account)


async def end_lock(
    session: AsyncSession, actor: Actor, account: Account, ending: AccountLock, *, last: bool
) -> None:
    ending.ended_at = datetime.now(UTC)
    ending.ended_by = actor.actor
    touch(account)
    if last:
        account.state = AccountState.ACTIVE
        await publish(session, events.unlocked(account))
    await session.flush()
    await record_audit(
        session,
        actor,
        action="account_lock_ended",
        entity_type="account",
        entity_id=account.id,
        details={"cause": ending.cause.value, "state": account.state.value},
    )
