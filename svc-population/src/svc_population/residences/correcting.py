"""Use case: correct where a person was registered on past days; today and all other days stay as they are."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from ndx_chassis.agreements import CaseMissing, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.errors import FieldError
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_contracts.names import composed
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.changes.errors import VersionConflict
from svc_population.changes.periods import Remainder, versions
from svc_population.persons import service as persons
from svc_population.persons.field_groups import storable
from svc_population.persons.models import Person
from svc_population.persons.reconstruction import steps
from svc_population.persons.vocabulary import ChangeKind
from svc_population.residences import answers, events, timeline
from svc_population.residences.book import Book, held, open_book, rewrite
from svc_population.residences.errors import PlaceUnknown, ResidenceDatesInvalid, TemporaryInOwnCommune
from svc_population.residences.projection import columns_of
from svc_population.residences.rules import bounds_on, later
from svc_population.residences.schemas import ResidenceCorrectionIn, ResidencesOut
from svc_population.residences.timeline import Piece, Where
from svc_population.residences.vocabulary import GROUP_OF, ResidenceKind

_DAY = timedelta(days=1)


async def correct_residences(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: ResidenceCorrectionIn,
    version: int | None,
) -> ResidencesOut:
    """Let past days hold another place; what is on record already is no change, whatever its version.

    The answer lists the registrations of the kind, those that were corrected as REVOKED.

    Raises:
        CaseMissing: the call names no dossier.
        FieldGroupNotCovered, PersonNotFound, VersionConflict, PlaceUnknown: as their codes say.
        ResidenceDatesInvalid: the days are not over, or not within the person's life.
        TemporaryInOwnCommune: permanent and temporary residence would lie in one commune on some day.
    """
    if not caller.case_id:
        raise CaseMissing("A correction belongs to a dossier: name it in NDX-Case-Id.")
    kind = ResidenceKind(body.kind)
    grant.require_field_groups([GROUP_OF[kind]])
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=[GROUP_OF[kind]],
    )
    today = admin_units.today()
    faults = [
        FieldError(field=f"body.{n}", code="invalid", detail=w) for n, w in _faults(body, person, today)
    ]
    if faults:
        raise ResidenceDatesInvalid(errors=faults)
    if body.commune_code is not None and not await admin_units.is_commune_of(
        session, body.commune_code, province_code=body.province_code or "", day=today
    ):
        raise PlaceUnknown(errors=[FieldError(field="body.commune_code", code="unknown", detail="unknown")])
    await _keep_apart(session, person, body, today)
    await _correct(session, person, body, caller, version)
    await answers.record(session, caller, grant, person, [kind])
    return answers.listed(person, await answers.registered(session, person, [kind]))


def _faults(body: ResidenceCorrectionIn, person: Person, today: date) -> Iterator[tuple[str, str]]:
    died_on = person.death_or_missing_date if person.locked else None
    if body.valid_from < person.birth_date:
        yield "valid_from", "before the person's birth"
    if body.valid_to < body.valid_from:
        yield "valid_to", "before valid_from"
    if body.valid_to >= today:
        yield "valid_to", "is not over"
    if died_on is not None and body.valid_to > died_on:
        yield "valid_to", "after the person's death"
    months = bounds_on(body.valid_from).temporary_longest_months
    temporary = body.kind is ResidenceKind.TEMPORARY and body.commune_code is not None
    # The last days of the calendar have no day months later.
    if temporary and body.valid_from <= today and body.valid_to >= later(body.valid_from, months):
        yield "valid_to", f"more than {months} months after valid_from"


async def _keep_apart(
    session: AsyncSession, person: Person, body: ResidenceCorrectionIn, today: date
) -> None:
    """Refuse a temporary residence in the commune of the permanent one, on each day."""
    if body.commune_code is None:
        return
    other = ResidenceKind.TEMPORARY if body.kind is ResidenceKind.PERMANENT else ResidenceKind.PERMANENT
    book = await open_book(session, person, other)
    for piece in book.pieces:
        row = book.rows[piece.origin][0]
        if row.commune_code is None or not piece.meets(body.valid_from, body.valid_to):
            continue
        there = admin_units.place_on(row.commune_code, on=row.units_on, to=today)
        if body.commune_code in {row.commune_code, there.commune_code}:
            raise TemporaryInOwnCommune


async def _correct(
    session: AsyncSession, person: Person, body: ResidenceCorrectionIn, caller: Caller, version: int | None
) -> None:
    kind = ResidenceKind(body.kind)
    book = await open_book(session, person, kind)
    where = None
    if body.commune_code is not None:
        address = None if body.address is None else composed(body.address)
        where = Where(body.province_code, body.commune_code, address)
    first, last = body.valid_from, body.valid_to
    # Nobody moves from a place to itself; a temporary residence is prolonged by a registration of its own.
    joined = kind is ResidenceKind.PERMANENT
    pieces = timeline.corrected(book.pieces, where, first=first, last=last, joined=joined)
    before = {(p.first, p.last, p.where) for p in book.pieces}
    as_before = before == {(p.first, p.last, p.where) for p in pieces}
    told = await _told(session, person, body, pieces, book, as_before=as_before)
    if as_before and not told:
        return
    if version is not None and version != person.version:
        raise VersionConflict(f"The record has version {person.version}.")
    corrected = [] if as_before else await rewrite(session, person, body, pieces, book, caller)
    changed = await _write(session, person, told, body, caller)
    await record_audit(
        session,
        caller,
        action="residence_corrected",
        entity_type=persons.ENTITY,
        entity_id=person.person_id,
        details={"kind": kind.value, "registrations": [str(row.id) for row in corrected]},
    )
    place = persons.place_of(person)
    groups = changed or [GROUP_OF[kind].value]
    told_of = events.residence_changed(
        person_id=person.person_id,
        personal_id=person.personal_id,
        version=person.version,
        changed=groups,
        former=place,
        now=place,
    )
    await publish(session, told_of)
    if changed:
        await persons.announce_change(session, person, changed, version=person.version)
    log.info("residence_corrected", person_id=str(person.person_id), kind=kind.value)


async def _told(
    session: AsyncSession,
    person: Person,
    body: ResidenceCorrectionIn,
    pieces: Sequence[Piece],
    book: Book,
    *,
    as_before: bool,
) -> list[tuple[date, dict[str, Any]]]:
    """Return (day, columns) of the versions that the person's record needs."""
    kind = ResidenceKind(body.kind)
    now = timeline.at(pieces, body.valid_from)
    stated = columns_of(kind, None if now is None else held(now, book, body))
    if as_before:
        # What an import left unsaid, such as a first day, is no reason for a new version.
        stated = {name: v for name, v in stated.items() if name.endswith(("_code", "_address"))}
    # The record of the dead keeps the last residence: what held to the end holds on.
    to_the_end = person.locked and body.valid_to == person.death_or_missing_date
    after = body.valid_to + _DAY
    rest, was = timeline.at(pieces, after), timeline.at(book.pieces, after)
    remainder = None
    if rest is not None and was is not None and rest.first != was.first and not to_the_end:
        name = f"{kind.value.lower()}_since"
        # A registration of the dead ends with them, and their record goes on saying it.
        until = None if person.locked and rest.last == person.death_or_missing_date else rest.last
        remainder = Remainder({name: storable(rest.first)}, until)
    every = steps(
        await persons.record_of(session, person), await persons.history_of(session, person.person_id)
    )
    found = versions(
        every,
        {name: storable(value) for name, value in stated.items()},
        first=body.valid_from,
        last=None if to_the_end else body.valid_to,
        remainder=remainder,
    )
    return [(day, {name: _dated(name, value) for name, value in columns.items()}) for day, columns in found]


def _dated(name: str, value: Any) -> Any:
    """Return a column's value as the database takes it from its stored form."""
    return date.fromisoformat(value) if name.endswith(("_since", "_until")) and value else value


async def _write(
    session: AsyncSession,
    person: Person,
    told: Sequence[tuple[date, dict[str, Any]]],
    body: ResidenceCorrectionIn,
    caller: Caller,
) -> list[str]:
    changed: dict[str, None] = {}
    for day, columns in told:
        news = persons.Change(
            columns,
            valid_from=day,
            source=f"{caller.agency}:residence:{body.basis.document}",
            kind=ChangeKind.CORRECTION,
            agency=caller.agency,
            document=body.basis.model_dump(mode="json"),
            after_death=True,
        )
        changed.update(dict.fromkeys(await persons.change(session, person, news, actor=caller, whole=True)))
        await session.refresh(person)
    return list(changed)
