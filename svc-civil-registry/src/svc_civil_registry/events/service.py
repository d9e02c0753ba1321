"""Opens records, adds actions to them, and says whose records a caller may touch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.audit import Actor
from ndx_chassis.caller import Caller
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.admin_units.service import AdminUnit, commune_of_office
from svc_civil_registry.deadlines.service import VIETNAM
from svc_civil_registry.events import repository
from svc_civil_registry.events.errors import OfficeNotCovered, OfficeUnknown
from svc_civil_registry.events.lifecycle import Action, State, apply, check, replay
from svc_civil_registry.events.vocabulary import ActionType, RecordKind


@dataclass(frozen=True, slots=True)
class Step:
    """An action as it is recorded: who did it and when stand beside its content."""

    sequence: int
    """Its place among the record's actions, from 1 on."""
    type: ActionType
    occurred_at: datetime
    actor: str
    officer: str | None
    office: str
    content: dict[str, Any]

    @property
    def day(self) -> date:
        """Return the day in Vietnam."""
        return self.occurred_at.astimezone(VIETNAM).date()


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its state, replayed from its steps."""

    id: UUID
    kind: RecordKind
    office: str
    province_code: str
    commune_code: str
    created_at: datetime
    state: State
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """An office with the commune and province that it serves."""

    office: str
    commune: AdminUnit

    @property
    def province_code(self) -> str:
        return self.commune.parent_code or ""


def place_of(caller: Caller, grant: Grant, office: str) -> Place:
    """Return the office's place if the caller may act for it.

    Raises:
        OfficeUnknown: no commune stands behind the code.
        OfficeNotCovered: it is another commune's office, or outside the agreement's scope.
    """
    commune = commune_of_office(office)
    if commune is None:
        raise OfficeUnknown
    if not _covers(caller, grant, office, commune.parent_code or "", commune.code):
        raise OfficeNotCovered
    return Place(office, commune)


def sees(caller: Caller, grant: Grant, record: Record) -> bool:
    """Tell whether the record is within the caller's reach; what is not, does not exist for them."""
    return _covers(caller, grant, record.office, record.province_code, record.commune_code)


def only_office(caller: Caller) -> str | None:
    """Return the office that a commune's system is limited to; None for other agencies."""
    return caller.agency if commune_of_office(caller.agency) is not None else None


def _covers(caller: Caller, grant: Grant, office: str, province_code: str, commune_code: str) -> bool:
    own = only_office(caller)
    return own in {None, office} and grant.covers(province_code, commune_code)


async def open_record(
    session: AsyncSession,
    *,
    record_id: UUID,
    kind: RecordKind,
    place: Place,
    actor: Actor,
    transaction_id: str,
    actions: Sequence[Action],
) -> Record:
    """Make a record whose first actions are these."""
    state = State(kind=kind)
    for action in actions:
        check(state, action)
        state = apply(state, action)
    created_at = await repository.insert_record(
        session,
        {
            "id": record_id,
            "kind": kind.value,
            "office": place.office,
            "province_code": place.province_code,
            "commune_code": place.commune.code,
            "status": state.status.value,
            "flags": _flags(state),
            "version": state.version,
        },
    )
    repository.add_actions(session, _rows(record_id, place.office, actor, transaction_id, actions, first=1))
    return Record(
        id=record_id,
        kind=kind,
        office=place.office,
        province_code=place.province_code,
        commune_code=place.commune.code,
        created_at=created_at,
        state=state,
    )


async def find_record(
    session: AsyncSession, record_id: UUID, kind: RecordKind, *, for_update: bool = False
) -> Record | None:
    """Return a record with its history, or None; locked until the transaction ends when it will change."""
    row = await repository.find_record(session, record_id, for_update=for_update)
    if row is None or row.kind != kind.value:
        return None
    found = await repository.list_actions(session, record_id)
    steps = tuple(
        Step(a.sequence, ActionType(a.type), a.occurred_at, a.actor, a.officer, a.office, a.content)
        for a in found
    )
    return Record(
        id=row.id,
        kind=kind,
        office=row.office,
        province_code=row.province_code,
        commune_code=row.commune_code,
        created_at=row.created_at,
        state=replay(kind, [Action(s.type, s.content) for s in steps]),
        steps=steps,
    )


async def act(
    session: AsyncSession,
    record: Record,
    *,
    actor: Actor,
    transaction_id: str,
    actions: Sequence[Action],
) -> Record:
    """Add actions to a locked record, and return it with these as its last steps.

    Raises:
        GuardFailed: the state does not allow one of them.
    """
    state = record.state
    for action in actions:
        check(state, action)
        state = apply(state, action)
    first = record.state.version + 1
    repository.add_actions(
        session, _rows(record.id, record.office, actor, transaction_id, actions, first=first)
    )
    await repository.update_record(
        session, record.id, status=state.status.value, flags=_flags(state), version=state.version
    )
    now = datetime.now(UTC)
    done = (
        Step(sequence, a.type, now, actor.actor, actor.officer, record.office, dict(a.content))
        for sequence, a in enumerate(actions, start=first)
    )
    return replace(record, state=state, steps=(*record.steps, *done))


def last_step(record: Record, *types: ActionType) -> Step | None:
    """Return the latest step of one of these types."""
    return next((step for step in reversed(record.steps) if step.type in types), None)


def _flags(state: State) -> list[str]:
    return sorted(f.value for f in state.flags)


def _rows(
    record_id: UUID, office: str, actor: Actor, transaction_id: str, actions: Sequence[Action], *, first: int
) -> list[dict[str, object]]:
    return [
        {
            "record_id": record_id,
            "sequence": sequence,
            "type": action.type.value,
            "actor": actor.actor,
            "officer": actor.officer,
            "case_id": actor.case_id,
            "office": office,
            "transaction_id": transaction_id,
            "content": dict(action.content),
        }
        for sequence, action in enumerate(actions, start=first)
    ]
