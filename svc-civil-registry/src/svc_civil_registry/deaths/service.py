"""Use cases of deaths: register, read."""

from collections.abc import Sequence
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_civil_registry.books import service as books
from svc_civil_registry.deadlines.service import is_late, today
from svc_civil_registry.deaths import repository, successions
from svc_civil_registry.deaths.errors import DeathAlreadyRegistered, DeathNotFound
from svc_civil_registry.deaths.events import death_registered
from svc_civil_registry.deaths.schemas import (
    CancellationOut,
    CancellationState,
    DeathIn,
    DeathOut,
    DeathRecordOut,
)
from svc_civil_registry.events import service as events
from svc_civil_registry.events.lifecycle import Action
from svc_civil_registry.events.service import Place, Record
from svc_civil_registry.events.vocabulary import ActionType, RecordKind

GROUPS = (FieldGroup.CIVIL_STATUS_RECORD,)


async def register_death(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    declaration: DeathIn,
    *,
    key: str | None,
    sessions: async_sessionmaker[AsyncSession],
) -> DeathOut:
    """Declare and register a death in one step.

    Raises:
        DeathAlreadyRegistered: the person's death was registered before, under this number or another one.
        PersonIsChanging: at this moment the number begins to lead to another one.
        OfficeUnknown, OfficeNotCovered: the declaration cannot be taken here.
    """
    grant.require_field_groups(GROUPS)
    place = events.place_of(caller, grant, declaration.office)
    try:
        return await once(
            session,
            caller,
            grant=grant,
            key=key,
            request=declaration,
            response_type=DeathOut,
            act=lambda: _register(session, caller, grant, place, declaration, key=key),
        )
    except DeathAlreadyRegistered:
        # The refusal rolls the request's transaction back; that the asker learnt of a death is kept apart,
        # with this connection given back first: many refused at once would wait for one another's.
        await session.rollback()
        async with sessions() as own, own.begin():
            await disclosed(own, caller, grant, [declaration.deceased.personal_id], Outcome.MATCHED)
        raise


async def disclosed(
    session: AsyncSession, caller: Caller, grant: Grant, subjects: Sequence[str], outcome: Outcome
) -> None:
    """Note what a caller learnt of these people."""
    await disclose(session, caller, grant=grant, subjects=subjects, field_groups=GROUPS, outcome=outcome)


async def _register(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    place: Place,
    declaration: DeathIn,
    *,
    key: str | None,
) -> DeathOut:
    numbers = await successions.hold_person(session, declaration.deceased.personal_id)
    if await repository.deaths_of(session, sorted(numbers)):
        raise DeathAlreadyRegistered
    day, death_id = today(), new_id()
    late = is_late("DEATH", occurred_on=declaration.died_on, declared_on=day)
    record = await events.open_record(
        session,
        record_id=death_id,
        kind=RecordKind.DEATH,
        place=place,
        actor=caller,
        transaction_id=key or caller.request_id,
        actions=[
            Action(ActionType.CREATE, {}),
            Action(ActionType.DECLARE, {"late": late}),
            Action(ActionType.REGISTER, {"book": RecordKind.DEATH.value, "year": day.year}),
        ],
    )
    added = await repository.insert_death(
        session,
        {
            "record_id": death_id,
            "declaration": declaration.model_dump(mode="json"),
            "personal_id": declaration.deceased.personal_id,
            "died_on": declaration.died_on,
            "registered_at": record.created_at,
        },
    )
    if not added:
        raise DeathAlreadyRegistered
    await publish(
        session,
        death_registered(death_id=death_id, declaration=declaration, registered_at=record.created_at),
    )
    await record_audit(
        session,
        caller,
        action="death_registered",
        entity_type="death",
        entity_id=death_id,
        details={"office": place.office, "flags": sorted(record.state.flags)},
    )
    number = await books.enter(
        session, office=place.office, book=RecordKind.DEATH, day=day, record_id=death_id
    )
    await disclosed(session, caller, grant, [declaration.deceased.personal_id], Outcome.DISCLOSED)
    return DeathOut(
        death_id=death_id,
        office=record.office,
        status=record.state.status,
        flags=tuple(sorted(record.state.flags)),
        registered_at=record.created_at,
        register_number=number,
    )


async def read_death(session: AsyncSession, caller: Caller, grant: Grant, death_id: UUID) -> DeathRecordOut:
    """Return the record and note the disclosure.

    Raises:
        DeathNotFound: there is none within the caller's reach.
    """
    grant.require_field_groups(GROUPS)
    record = await events.find_record(session, death_id, RecordKind.DEATH)
    if record is None or not events.sees(caller, grant, record):
        raise DeathNotFound
    answer, people = await shown(session, record)
    await disclosed(session, caller, grant, people, Outcome.DISCLOSED)
    return answer


async def shown(session: AsyncSession, record: Record) -> tuple[DeathRecordOut, list[str]]:
    """Return what callers are answered of a record, and whom it names.

    Raises:
        DeathNotFound: the record has no death.
    """
    death = await repository.find_death(session, record.id)
    number = await books.find(session, record.id)
    if death is None or number is None:
        raise DeathNotFound
    declaration = DeathIn.model_validate(death.declaration)
    answer = DeathRecordOut(
        death_id=record.id,
        office=record.office,
        status=record.state.status,
        flags=tuple(sorted(record.state.flags)),
        registered_at=death.registered_at,
        register_number=number,
        declaration=declaration,
        cancellation=_cancellation(record),
    )
    return answer, [p for p in (death.personal_id, declaration.declarant.personal_id) if p]


def _cancellation(record: Record) -> CancellationOut | None:
    asked = events.last_step(record, ActionType.REQUEST_CANCELLATION)
    if asked is None:
        return None
    outcome = events.last_step(
        record,
        ActionType.REQUEST_CANCELLATION,
        ActionType.APPROVE_CANCELLATION,
        ActionType.REJECT_CANCELLATION,
    )
    decided = None if outcome is None or outcome is asked else outcome
    state = CancellationState.REQUESTED
    if decided is not None:
        approved = decided.type is ActionType.APPROVE_CANCELLATION
        state = CancellationState.APPROVED if approved else CancellationState.REJECTED
    return CancellationOut(
        state=state,
        request_sequence=asked.sequence,
        requested_at=asked.occurred_at,
        decided_at=None if decided is None else decided.occurred_at,
        rejection=decided.content.get("reason") if state is CancellationState.REJECTED and decided else None,
        **{name: asked.content[name] for name in ("cause", "reason", "document")},
    )
