"""Use cases of residence: register, change, end, list; expire by the clock, close by death."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.errors import FieldError
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_contracts.bodies import Input
from ndx_contracts.names import composed
from ndx_contracts.personal_ids import PersonalId
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.changes.errors import VersionConflict
from svc_population.persons import service as persons
from svc_population.persons.errors import PersonLocked
from svc_population.persons.models import Person
from svc_population.residences import answers, projection, register, repository
from svc_population.residences.errors import (
    PlaceUnknown,
    ResidenceDatesInvalid,
    ResidenceEnded,
    ResidenceNotFound,
    ResidenceOverlaps,
    TemporaryInOwnCommune,
)
from svc_population.residences.models import Residence
from svc_population.residences.rules import date_faults
from svc_population.residences.schemas import (
    ResidenceChangeIn,
    ResidenceEndIn,
    ResidenceIn,
    ResidenceOut,
)
from svc_population.residences.vocabulary import GROUP_OF, EndCause, ResidenceKind, ResidenceState

_VOID_BY_MOVE = (ResidenceKind.ABSENCE, ResidenceKind.CURRENT)
"""What a move to another permanent residence ends as well."""


class _Request(Input):
    """What one Idempotency-Key stands for: the number and the body."""

    personal_id: PersonalId
    body: ResidenceIn


async def register_residence(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: ResidenceIn,
    version: int | None,
    idempotency_key: str | None,
) -> ResidenceOut:
    """Register a residence, and end the one that it follows.

    The place has to lie within the agreement's scope, not the person: who moves in lives elsewhere so far.

    Raises:
        FieldGroupNotCovered, OutsideAdminScope: the agreement does not reach so far.
        PersonNotFound, PersonLocked, VersionConflict: as their codes say.
        PlaceUnknown, ResidenceDatesInvalid, ResidenceOverlaps, TemporaryInOwnCommune: the rules forbid it.
    """
    grant.require_field_groups([GROUP_OF[body.kind]])
    if body.commune_code is not None:
        grant.require_scope(body.province_code, body.commune_code)
    return await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=_Request(personal_id=personal_id, body=body),
        response_type=ResidenceOut,
        act=lambda: _register(session, runtime, caller, grant, personal_id, body, version),
    )


async def _register(  # noqa: PLR0917 - the facts of one call
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: ResidenceIn,
    version: int | None,
) -> ResidenceOut:
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=[GROUP_OF[body.kind]],
        anywhere=body.commune_code is not None,
    )
    today = admin_units.today()
    _require(person, version)
    await _check(session, person, body, today)
    now = await register.running(session, person, body.kind)
    if now is not None and _repeats(now.row, body):
        return await answers.answer(session, caller, grant, person, now.row, stored=now.stored)
    await _follow(session, person, body, now, actor=caller.actor)
    row = _row(person, body, caller, today)
    if body.kind is ResidenceKind.PERMANENT and row.residence_file_number is None and body.commune_code:
        serial = await repository.next_file(session, body.commune_code, today.year)
        row.residence_file_number = f"{body.commune_code}/{today.year}/{serial:06d}"
    columns = projection.columns_of(body.kind, register.held(row))
    if body.kind is ResidenceKind.PERMANENT:
        columns |= await _void(session, person, body, actor=caller.actor)
    await repository.add(session, row)
    await register.apply(session, person, columns, row=row, action="residence_registered", actor=caller)
    return await answers.answer(session, caller, grant, person, row, stored=True)


def _require(person: Person, version: int | None) -> None:
    if person.locked:
        raise PersonLocked
    if version is not None and version != person.version:
        raise VersionConflict(f"The record has version {person.version}.")


async def _check(session: AsyncSession, person: Person, body: ResidenceIn, today: date) -> None:
    if body.commune_code is not None and not await admin_units.is_commune_of(
        session, body.commune_code, province_code=body.province_code or "", day=today
    ):
        raise PlaceUnknown(errors=[FieldError(field="body.commune_code", code="unknown", detail="unknown")])
    _refuse_dates(date_faults(body.kind, body.valid_from, body.valid_to, born=person.birth_date, today=today))
    if body.kind is ResidenceKind.TEMPORARY and body.commune_code == person.permanent_commune_code:
        raise TemporaryInOwnCommune


def _refuse_dates(faults: Any) -> None:
    found = [FieldError(field=f"body.{name}", code="invalid", detail=words) for name, words in faults]
    if found:
        raise ResidenceDatesInvalid(errors=found)


def _repeats(row: Residence, body: ResidenceIn) -> bool:
    asked = (body.commune_code, body.address, body.valid_from, body.valid_to)
    number = body.residence_file_number
    return asked == (row.commune_code, row.address, row.valid_from, row.valid_to) and number in {
        None,
        row.residence_file_number,
    }


async def _follow(
    session: AsyncSession, person: Person, body: ResidenceIn, now: register.Running | None, *, actor: str
) -> None:
    """End what runs of this kind on the eve; refuse what would lie before or over it."""
    last = await repository.last_day(session, person.person_id, body.kind)
    if last is not None and body.valid_from <= last:
        raise ResidenceOverlaps
    if now is None:
        return
    if body.valid_from <= now.row.valid_from:
        raise ResidenceOverlaps
    row = await register.settle(session, now)
    eve = body.valid_from - timedelta(days=1)
    expired = row.valid_to is not None and row.valid_to < eve
    cause = EndCause.EXPIRED if expired else EndCause.MOVED
    await register.end(session, row, last=eve, cause=cause, actor=actor)


async def _void(session: AsyncSession, person: Person, body: ResidenceIn, *, actor: str) -> dict[str, Any]:
    """End what a move makes void: a declared absence or place, and temporary residence in the commune."""
    columns: dict[str, Any] = {}
    kinds = list(_VOID_BY_MOVE)
    if person.temporary_commune_code == body.commune_code:
        kinds.append(ResidenceKind.TEMPORARY)
    for kind in kinds:
        now = await register.running(session, person, kind)
        if now is not None:
            row = await register.settle(session, now)
            await register.end(
                session, row, last=body.valid_from - timedelta(days=1), cause=EndCause.MOVED, actor=actor
            )
            columns |= projection.columns_of(kind, None)
    return columns


def _row(person: Person, body: ResidenceIn, caller: Caller, today: date) -> Residence:
    return Residence(
        id=new_id(),
        person_id=person.person_id,
        personal_id=person.personal_id,
        kind=body.kind.value,
        state=ResidenceState.REGISTERED.value,
        province_code=body.province_code,
        commune_code=body.commune_code,
        address=None if body.address is None else composed(body.address),
        units_on=today,
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        residence_file_number=body.residence_file_number,
        basis=body.basis.model_dump(mode="json"),
        source=f"{caller.agency}:residence:{body.basis.document}",
        registered_by=caller.actor,
        registered_at=datetime.now(UTC),
    )


async def change_residence(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    residence_id: UUID,
    body: ResidenceChangeIn,
    version: int | None,
) -> ResidenceOut:
    """Correct the address or move the planned end of a running registration.

    Raises:
        PersonNotFound, ResidenceNotFound, ResidenceEnded, ResidenceDatesInvalid, VersionConflict.
    """
    person, now = await _touched(session, runtime, caller, grant, personal_id, residence_id, version)
    kind = ResidenceKind(now.row.kind)
    if body.valid_to is not None:
        faults = date_faults(
            kind, now.row.valid_from, body.valid_to, born=person.birth_date, today=admin_units.today()
        )
        _refuse_dates(faults)
    row = await register.settle(session, now)
    if body.address is not None:
        row.address = composed(body.address)
    row.valid_to = body.valid_to or row.valid_to
    if body.residence_file_number is not None and kind is ResidenceKind.PERMANENT:
        row.residence_file_number = body.residence_file_number
    row.basis = body.basis.model_dump(mode="json")
    row.source = f"{caller.agency}:residence:{body.basis.document}"
    await session.flush()
    columns = projection.columns_of(kind, register.held(row))
    await register.apply(session, person, columns, row=row, action="residence_changed", actor=caller)
    return await answers.answer(session, caller, grant, person, row, stored=True)


async def end_residence(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    residence_id: UUID,
    body: ResidenceEndIn,
    version: int | None,
) -> ResidenceOut:
    """Take a running registration off the register.

    Raises:
        PersonNotFound, ResidenceNotFound, ResidenceEnded, ResidenceDatesInvalid, VersionConflict.
    """
    person, now = await _touched(session, runtime, caller, grant, personal_id, residence_id, version)
    last = body.ended_on or admin_units.today()
    wrong = body.cause is EndCause.WRONG_ENTRY
    if not wrong and not now.row.valid_from <= last <= admin_units.today():
        _refuse_dates([("ended_on", "between valid_from and today")])
    row = await register.settle(session, now)
    row.source = f"{caller.agency}:residence:{body.basis.document}"
    await register.end(session, row, last=last, cause=EndCause(body.cause), actor=caller.actor)
    columns = projection.columns_of(ResidenceKind(row.kind), None)
    await register.apply(
        session,
        person,
        columns,
        row=row,
        action="residence_ended",
        actor=caller,
        valid_from=row.valid_from if wrong else last + timedelta(days=1),
    )
    return await answers.answer(session, caller, grant, person, row, stored=True)


async def _touched(  # noqa: PLR0917 - the facts of one call
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    residence_id: UUID,
    version: int | None,
) -> tuple[Person, register.Running]:
    """Return the locked person and the running registration of this id.

    Raises:
        PersonNotFound, PersonLocked, VersionConflict, ResidenceNotFound, ResidenceEnded.
    """
    groups = grant.field_groups & set(GROUP_OF.values())
    person = await persons.within(
        session, runtime, caller=caller, grant=grant, personal_id=personal_id, field_groups=groups
    )
    _require(person, version)
    for kind in ResidenceKind:
        now = await register.running(session, person, kind)
        if now is not None and now.row.id == residence_id:
            grant.require_field_groups([GROUP_OF[kind]])
            return person, now
    if await repository.residence(session, person.person_id, residence_id) is not None:
        raise ResidenceEnded
    raise ResidenceNotFound
