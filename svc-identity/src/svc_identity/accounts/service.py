"""Use cases of e-ID accounts: open, raise, show, issue a new activation code."""

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller, Citizen
from ndx_chassis.disclosure import disclose
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import same_name
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts import activation, events, repository
from svc_identity.accounts.errors import (
    AccountExists,
    AccountIsLocked,
    AccountNotFound,
    LevelNotOffered,
    PersonMismatch,
    PersonTooYoung,
    PersonUnknown,
)
from svc_identity.accounts.models import Account, AccountState, LockCause
from svc_identity.accounts.schemas import AccountIn, AccountOut, ActivationCodeOut, OpenedAccountOut
from svc_identity.population import Applicant, find_person
from svc_identity.rules.calendar import birthday, rules, today

COMPARED = Applicant.field_groups()


async def open_account(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    application: AccountIn,
    idempotency_key: str | None,
) -> OpenedAccountOut:
    """Open an account, or raise one from level 1 to level 2, for the person at the counter.

    The activation code is in the answer of the call that opened the account and nowhere else: the stored
    answer of a repeated call is without it.

    Raises:
        PersonUnknown, PersonMismatch, PersonTooYoung, LevelNotOffered, AccountExists, AccountIsLocked:
            as their codes say. A mismatch is a yes/no answer and leaves its record.
        ProviderUnavailable: the population database cannot be asked now.
    """
    grant.require_field_groups({FieldGroup.EID_ACCOUNT})
    received_on = application.received_on or today()
    due_on = rules().due_on(card=application.card, level=application.level, received_on=received_on)
    if due_on is None or received_on > today():
        raise LevelNotOffered
    # Asked before the transaction begins: a slow provider must not hold a database connection.
    await _verify(runtime, caller, grant, application)
    issued: list[str] = []

    async def act() -> OpenedAccountOut:
        code = activation.new_code()
        code_hash = await asyncio.to_thread(activation.hashed, code)
        await repository.hold(session, [application.personal_id])
        if await former_numbers.current(session, application.personal_id) != application.personal_id:
            # It was merged or cancelled since the population database was asked.
            raise PersonUnknown
        account = await repository.account_of(session, application.personal_id, lock=True)
        if account is None:
            account = await _add(session, caller, application, received_on=received_on, due_on=due_on)
            await publish(session, events.activated(account, code_hash))
            issued.append(code)
        else:
            await _raise_level(session, account, application.level)
        await record_audit(
            session,
            caller,
            action="account_opened" if issued else "account_level_raised",
            entity_type="account",
            entity_id=account.id,
            details={"level": account.level, "card": application.card.value, "due_on": due_on.isoformat()},
        )
        await disclosed(session, caller, grant, application.personal_id, Outcome.DISCLOSED)
        return OpenedAccountOut(**_out(account, ()).model_dump())

    answer = await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=application,
        response_type=OpenedAccountOut,
        act=act,
    )
    log.info("account_opened", account_id=str(answer.account_id), level=answer.level, new=bool(issued))
    return answer.model_copy(update={"activation_code": issued[0]}) if issued else answer


async def _verify(runtime: Runtime, caller: Caller, grant: Grant, application: AccountIn) -> None:
    day = today()
    if day < birthday(application.birth_date, rules().age("OWN_ACCOUNT_FROM", day)):
        raise PersonTooYoung
    person = await find_person(runtime, application.personal_id, Applicant, case_id=caller.case_id)
    if person is None or person.is_dead or person.personal_id != application.personal_id:
        await _record_refusal(runtime, caller, grant, application.personal_id, Outcome.NOT_FOUND)
        raise PersonUnknown
    same = person.birth_date == application.birth_date
    if application.birth_name is not None:
        held = person.birth_name
        same = same and held is not None and same_name(held.full, application.birth_name)
    if not same:
        await _record_refusal(runtime, caller, grant, application.personal_id, Outcome.NOT_MATCHED)
        raise PersonMismatch


async def _record_refusal(
    runtime: Runtime, caller: Caller, grant: Grant, personal_id: str, outcome: Outcome
) -> None:
    # In a transaction of its own: the refusal rolls back the request's.
    async with runtime.sessions() as session, session.begin():
        await disclose(
            session, caller, grant=grant, subjects=[personal_id], field_groups=COMPARED, outcome=outcome
        )


async def disclosed(
    session: AsyncSession, caller: Caller, grant: Grant, personal_id: str, outcome: Outcome
) -> None:
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[personal_id],
        field_groups=[FieldGroup.EID_ACCOUNT],
        outcome=outcome,
    )


async def _add(
    session: AsyncSession, caller: Caller, application: AccountIn, *, received_on: date, due_on: date
) -> Account:
    account = Account(
        id=new_id(),
        personal_id=application.personal_id,
        level=application.level,
        state=AccountState.ACTIVE,
        version=1,
        opened_by=caller.agency,
        received_on=received_on,
        due_on=due_on,
        opened_at=datetime.now(UTC),
        changed_at=datetime.now(UTC),
    )
    created = await repository.add_account(session, account)
    if created is None:
        raise AccountExists
    return created


async def _raise_level(session: AsyncSession, account: Account, level: int) -> None:
    if account.state is AccountState.LOCKED:
        raise AccountIsLocked
    if level <= account.level:
        raise AccountExists
    account.level = level
    touch(account)
    await publish(session, events.activated(account, None))


def touch(account: Account) -> None:
    account.version += 1
    account.changed_at = datetime.now(UTC)


def _out(account: Account, causes: tuple[LockCause, ...]) -> AccountOut:
    return AccountOut(
        account_id=account.id,
        level=account.level,
        # Not the row's own state: it and the locks are read one after the other, and a lock may come between.
        state=AccountState.LOCKED if causes else AccountState.ACTIVE,
        lock_causes=causes,
        opened_at=account.opened_at,
        due_on=account.due_on,
    )


async def required(session: AsyncSession, account_id: UUID, *, lock: bool = False) -> Account:
    account = await repository.account(session, account_id, lock=lock)
    if account is None:
        raise AccountNotFound
    return account


async def shown(session: AsyncSession, account: Account) -> AccountOut:
    locks = await repository.open_locks(session, account.id)
    return _out(account, tuple(lock.cause for lock in locks))


async def show_account(
    session: AsyncSession, *, caller: Caller, grant: Grant, account_id: UUID
) -> AccountOut:
    """Show an account's state to an office that has it in its agreement."""
    grant.require_field_groups({FieldGroup.EID_ACCOUNT})
    account = await required(session, account_id)
    await disclosed(session, caller, grant, account.personal_id, Outcome.DISCLOSED)
    return await shown(session, account)


async def show_own_account(session: AsyncSession, citizen: Citizen) -> AccountOut:
    """Show the holder their own account."""
    account = await record_own_look(session, citizen, action="own_account_viewed")
    return await shown(session, account)


async def require_account(session: AsyncSession, citizen: Citizen) -> None:
    """Let in a holder, locked or not; raises as `own_number` does for others."""
    await required(session, citizen.account_id)


async def own_number(session: AsyncSession, citizen: Citizen, *, lock: bool = False) -> str:
    """Return the holder's personal number; the account must be one that may act.

    With `lock` it stays so until the transaction ends.

    Raises:
        AccountNotFound: the token's subject has no account here.
        AccountIsLocked: it may not be used.
    """
    account = await required(session, citizen.account_id, lock=lock)
    if account.state is AccountState.LOCKED:
        raise AccountIsLocked
    return account.personal_id


async def number_of(session: AsyncSession, citizen: Citizen) -> str:
    """Return the holder's personal number, whether or not the account may act.

    Raises:
        AccountNotFound: the token's subject has no account here.
    """
    return (await required(session, citizen.account_id)).personal_id


async def record_own_look(session: AsyncSession, citizen: Citizen, *, action: str) -> Account:
    """Note that a holder looks at what is theirs: an audit entry, for nothing is disclosed to an agency.

    Raises:
        AccountNotFound: the token's subject has no account here.
    """
    account = await required(session, citizen.account_id)
    await record_audit(session, citizen, action=action, entity_type="account", entity_id=account.id)
    return account


async def issue_activation_code(
    session: AsyncSession, *, caller: Caller, grant: Grant, account_id: UUID
) -> ActivationCodeOut:
    """Give the holder at the counter a new code: the way back without the old phone or passcode.

    Raises:
        AccountIsLocked: the cause of the lock must end first.
    """
    account = await required(session, account_id, lock=True)
    if account.state is AccountState.LOCKED:
        raise AccountIsLocked
    code = activation.new_code()
    touch(account)
    await publish(session, events.code_issued(account, await asyncio.to_thread(activation.hashed, code)))
    await record_audit(
        session, caller, action="activation_code_issued", entity_type="account", entity_id=account.id
    )
    await disclosed(session, caller, grant, account.personal_id, Outcome.DISCLOSED)
    return ActivationCodeOut(account_id=account.id, activation_code=code)


async def usable_account_of(session: AsyncSession, personal_id: str, *, level: int) -> UUID | None:
    """Return the account of a person when it is active and of at least this level."""
    number = await former_numbers.current(session, personal_id)
    account = await repository.account_of(session, number)
    if account is None or account.state is not AccountState.ACTIVE or account.level < level:
        return None
    return account.id
