"""Use cases: lock accounts for a cause, and unlock them; a death locks, and taken back unlocks."""

from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.agreements import Grant
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_chassis.told import Told, outweighed
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts import events, repository
from svc_identity.accounts.errors import AccountNotLocked, LockIsFinal
from svc_identity.accounts.models import FOR_EVER, Account, AccountLock, AccountState, LockCause
from svc_identity.accounts.schemas import AccountOut
from svc_identity.accounts.service import disclosed, required, shown, touch
from svc_identity.rules.calendar import Reopening, rules, today


async def lock_account(
    session: AsyncSession, *, caller: Caller, grant: Grant, account_id: UUID, cause: LockCause
) -> AccountOut:
    """Lock for a cause; a second lock for the same open cause changes nothing."""
    account = await required(session, account_id, lock=True)
    await _lock(session, caller, account, cause)
    await disclosed(session, caller, grant, account.personal_id, Outcome.DISCLOSED)
    return await shown(session, account)


async def lock_for_death(session: AsyncSession, actor: Actor, personal_id: str, told: Told) -> bool:
    """Lock the account of a person who died, without a human step; False where a later word is known.

    Of a merged number the account that stands is locked as well, unless a later word of its record is known.
    """
    numbers = await _held(session, personal_id)
    if not await repository.tell_life(session, personal_id, told, dead=True):
        return False
    past = await outweighed(session, await repository.words_of(session, numbers))
    for number in [personal_id] if personal_id in past else numbers:
        await lock_by_event(session, actor, number, LockCause.DEATH)
    return True


async def end_for_life(session: AsyncSession, actor: Actor, personal_id: str, told: Told) -> bool:
    """End the locks of a death that was taken back, where the rule leaves that to no office.

    What was locked for other causes stays so. False where a later word is known.
    """
    numbers = await _held(session, personal_id)
    if not await repository.tell_life(session, personal_id, told, dead=False):
        return False
    if rules().reopening(today()) is Reopening.OFFICE:
        return True
    for number in numbers:
        await end_death_lock(session, actor, number)
    return True


async def end_death_lock(session: AsyncSession, actor: Actor, personal_id: str) -> None:
    """End the lock for a death unless one of this very number is known."""
    account = await repository.account_of(session, personal_id, lock=True)
    if account is None or await repository.is_dead(session, personal_id):
        return
    locks = await repository.open_locks(session, account.id)
    ending = next((lock for lock in locks if lock.cause is LockCause.DEATH), None)
    if ending is not None:
        await end_lock(session, actor, account, ending, last=len(locks) == 1)


async def is_dead(session: AsyncSession, personal_id: str) -> bool:
    """Tell whether a death of this very number is known."""
    return await repository.is_dead(session, personal_id)


async def _held(session: AsyncSession, personal_id: str) -> list[str]:
    current = await former_numbers.current(session, personal_id)
    numbers = sorted({personal_id, current})
    await repository.hold(session, numbers)
    return numbers


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
        LockIsFinal: no office ends the lock for a death, a cancelled number or a merger; one for a death that
            was taken back is ended by the office where the rule says so.
        AccountNotLocked: there is no open lock of this cause.
    """
    account = await required(session, account_id, lock=True)
    locks = await repository.open_locks(session, account_id)
    final = await _final(session, account)
    if any(lock.cause in final for lock in locks):
        raise LockIsFinal
    ending = next((lock for lock in locks if lock.cause is cause), None)
    if ending is None:
        raise AccountNotLocked
    await end_lock(session, caller, account, ending, last=len(locks) == 1)
    await disclosed(session, caller, grant, account.personal_id, Outcome.DISCLOSED)
    return await shown(session, account)


async def _final(session: AsyncSession, account: Account) -> frozenset[LockCause]:
    """Return the causes that an office cannot end now."""
    lives = await repository.lives_again(session, account.personal_id)
    return FOR_EVER - {LockCause.DEATH} if lives else FOR_EVER


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
