"""Use cases that read births: one, a list, the queue of those that wait for a number."""

from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.births import repository
from svc_civil_registry.births.answers import awaiting_birth, birth_record_out, birth_summary
from svc_civil_registry.births.schemas import AwaitingPage, BirthPage, BirthRecordOut
from svc_civil_registry.births.service import GROUPS, disclose_birth, load, subjects_of
from svc_civil_registry.books import service as books
from svc_civil_registry.events import service as events
from svc_civil_registry.events.lifecycle import Action, check
from svc_civil_registry.events.vocabulary import ActionType, Flag, Status


async def read_birth(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    birth_id: UUID,
    *,
    meaning: ActionType | None = None,
) -> BirthRecordOut:
    """Return the record and note the disclosure; `meaning` is the action that the reader has in mind.

    Raises:
        BirthNotFound: there is none within the caller's reach.
        GuardFailed: the record's state does not allow that action.
    """
    grant.require_field_groups(GROUPS)
    record, birth = await load(session, caller, grant, birth_id)
    if meaning is not None:
        check(record.state, Action(meaning, {}))
    answer = birth_record_out(record, birth, await books.find(session, birth_id))
    await disclose_birth(session, caller, grant, subjects_of(answer.declaration, birth.personal_id))
    return answer


async def list_births(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    status: Status | None,
    flag: Flag | None,
    cursor: UUID | None,
    limit: int,
) -> BirthPage:
    """Return births within the caller's reach, oldest declaration first."""
    grant.require_field_groups(GROUPS)
    scope = grant.agreement.admin_scope
    rows = await repository.list_births(
        session,
        status=status.value if status else None,
        flag=flag.value if flag else None,
        office=events.only_office(caller),
        provinces=scope.provinces,
        communes=scope.communes,
        after=cursor,
        limit=limit + 1,
    )
    items = tuple(birth_summary(row) for row in rows[:limit])
    await disclose_birth(session, caller, grant, [i.personal_id for i in items if i.personal_id])
    more = str(items[-1].birth_id) if len(rows) > limit else None
    return BirthPage(items=items, next_cursor=more)


async def list_awaiting(
    session: AsyncSession, caller: Caller, grant: Grant, *, cursor: UUID | None, limit: int
) -> AwaitingPage:
    """Return the queue within the caller's reach; it names no person."""
    scope = grant.agreement.admin_scope
    rows = await repository.list_waiting(
        session,
        office=events.only_office(caller),
        provinces=scope.provinces,
        communes=scope.communes,
        after=cursor,
        limit=limit + 1,
    )
    items = tuple(awaiting_birth(row) for row in rows[:limit])
    return AwaitingPage(items=items, next_cursor=str(items[-1].birth_id) if len(rows) > limit else None)
