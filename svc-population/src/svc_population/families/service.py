"""Use cases of families: record a parent, a marriage, a guardian; end them; what a death ends; read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose, found
from ndx_chassis.errors import FieldError
from ndx_chassis.idempotency import once
from ndx_chassis.telemetry import log
from ndx_contracts.bodies import Input
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import composed
from ndx_contracts.personal_ids import PersonalId
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.families.errors import RelationshipExists, RelationshipNotFound, RelationshipNotLawful
from svc_population.families.rules import Case, Somebody, reasons
from svc_population.families.schemas import (
    RelationshipEndIn,
    RelationshipIn,
    RelationshipOut,
    RelationshipsOut,
)
from svc_population.personal_ids import rules as births
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.persons.vocabulary import MaritalStatus
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Parent, Relative
from svc_population.relationships.vocabulary import Relation, RelationshipEnd

_FAMILY = (FieldGroup.FAMILY_RELATIONS,)
_MOST_GUARDIANS = 5
_STATUS_AFTER = {
    RelationshipEnd.DIVORCE: MaritalStatus.DIVORCED,
    RelationshipEnd.DEATH: MaritalStatus.WIDOWED,
}


@dataclass(frozen=True, slots=True)
class Grounds:
    """Since when a change is true, on which word, by whom."""

    on: date
    source: str
    actor: Actor
    document: dict[str, Any] | None = None


class _Request(Input):
    """What one Idempotency-Key stands for: the number and the body."""

    personal_id: PersonalId
    body: RelationshipIn


async def add_relationship(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: RelationshipIn,
    idempotency_key: str | None,
) -> RelationshipOut:
    """Record what somebody is to a person; a marriage stands with both and makes both MARRIED.

    Raises:
        FieldGroupNotCovered, PersonNotFound, PersonLocked: as their codes say.
        RelationshipExists: one of the two has such a relative.
        RelationshipCycle, RelationshipNotLawful: the rules forbid it.
    """
    grant.require_field_groups(_FAMILY)
    return await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=_Request(personal_id=personal_id, body=body),
        response_type=RelationshipOut,
        act=lambda: _add(session, runtime, caller, grant, personal_id, body),
    )


async def _add(  # noqa: PLR0917 - the facts of one call
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: RelationshipIn,
) -> RelationshipOut:
    numbers = {personal_id} | ({body.personal_id} if body.personal_id else set())
    both: dict[str, Person] = {}
    # Both rows are locked in one order, so that two offices that marry the same two wait in line.
    for number in sorted(numbers):
        both[number] = await persons.within(
            session,
            runtime,
            caller=caller,
            grant=grant,
            personal_id=number,
            field_groups=_FAMILY,
            anywhere=number != personal_id,
        )
    person = both[personal_id]
    other = both[body.personal_id] if body.personal_id else None
    if body.since is not None and body.since > today():
        raise RelationshipNotLawful(errors=[_fault("since", "in-future")])
    if other is not None:
        _refuse(person, other, body)
    grounds = Grounds(
        on=body.since or person.birth_date,
        source=f"{caller.agency}:relationship:{body.document}",
        actor=caller,
        document={"document": body.document},
    )
    made = await _record(session, person, other, body, grounds)
    await _note(session, person, grounds, married=body.relation is Relation.SPOUSE)
    if other is not None:
        await _note(session, other, grounds, married=body.relation is Relation.SPOUSE)
    log.info("relationship_changed", relationship_id=str(made), relation=body.relation.value)
    return await _answer(session, caller, grant, person, made)


def _refuse(person: Person, other: Person, body: RelationshipIn) -> None:
    if person.personal_id == other.personal_id:
        raise RelationshipNotLawful(errors=[_fault("personal_id", "oneself")])
    case = Case(
        relation=body.relation,
        person=_somebody(person),
        other=_somebody(other),
        since=body.since or person.birth_date,
        youngest_parent_years=births.bounds_on(person.birth_date).youngest_parent_years,
    )
    faults = [_fault("relation", code) for code in dict.fromkeys(reasons(case))]
    if faults:
        raise RelationshipNotLawful(errors=faults)


def _somebody(person: Person) -> Somebody:
    return Somebody(person.birth_date, person.sex, person.death_or_missing_date if person.locked else None)


def _fault(name: str, code: str) -> FieldError:
    return FieldError(field=f"body.{name}", code=code, detail=code.replace("-", " "))


async def _record(
    session: AsyncSession, person: Person, other: Person | None, body: RelationshipIn, grounds: Grounds
) -> UUID:
    """Write the rows.

    Raises:
        RelationshipExists: the place is taken, on either side of a marriage.
    """
    marriage = body.relation is Relation.SPOUSE
    both = [person.personal_id] + ([] if other is None else [other.personal_id])
    if marriage and await relationships.marriages_of(session, both):
        raise RelationshipExists
    relative = Parent(
        body.relation,
        None if other is None else other.personal_id,
        composed(body.name) if body.name else (other.full_name if other else ""),
        body.birth_year or (other.birth_date.year if other else None),
        body.nationality if other is None else other.nationality,
    )
    ordinals = range(_MOST_GUARDIANS) if body.relation is Relation.GUARDIAN else range(1)
    made: UUID | None = None
    for ordinal in ordinals:
        made = await relationships.relate(
            session,
            person.personal_id,
            relative,
            since=grounds.on,
            source=grounds.source,
            ordinal=ordinal,
        )
        if made is not None:
            break
    if made is None:
        raise RelationshipExists
    if marriage and other is not None:
        back = Parent(
            Relation.SPOUSE,
            person.personal_id,
            person.full_name,
            person.birth_date.year,
            person.nationality,
        )
        await relationships.relate(session, other.personal_id, back, since=grounds.on, source=grounds.source)
    return made


async def _note(
    session: AsyncSession,
    person: Person,
    grounds: Grounds,
    *,
    married: bool = False,
    status: MaritalStatus | None = None,
) -> None:
    """Write a person's new version, and announce it; a dead person's record only names the group."""
    values: dict[str, Any] = {}
    if married:
        values = {"marital_status": MaritalStatus.MARRIED.value}
    elif status is not None and not person.locked:
        values = {"marital_status": status.value}
    news = persons.Change(
        values,
        valid_from=grounds.on,
        source=grounds.source,
        agency=grounds.source.partition(":")[0],
        document=grounds.document,
        after_death=True,
    )
    changed = await persons.change(session, person, news, actor=grounds.actor, also=_FAMILY)
    await session.refresh(person)
    await persons.announce_change(session, person, changed, version=person.version)


async def end_relationship(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    relationship_id: UUID,
    body: RelationshipEndIn,
) -> RelationshipOut:
    """End a relationship of today, a marriage on both sides.

    Raises:
        FieldGroupNotCovered, PersonNotFound: as their codes say.
        RelationshipNotFound: the person has no such relationship today.
        RelationshipNotLawful: the cause or the day does not fit.
    """
    grant.require_field_groups(_FAMILY)
    seen = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=_FAMILY,
        lock=False,
    )
    relative = await _today(session, seen.personal_id, relationship_id)
    others = [n for n in (relative.personal_id,) if n is not None]
    found(session, caller, grant=grant, subjects=others, field_groups=_FAMILY)
    people = await _locked(session, [seen.personal_id, relative.personal_id])
    # Read again: what was seen before the locks may have ended meanwhile.
    relative = await _today(session, seen.personal_id, relationship_id)
    _fits(relative, body)
    grounds = Grounds(
        on=body.ended_on or today(),
        source=f"{caller.agency}:relationship:{body.document}",
        actor=caller,
        document={"document": body.document},
    )
    await _end(
        session, people, relative, ended_on=body.ended_on, cause=RelationshipEnd(body.cause), grounds=grounds
    )
    person = next(p for p in people if p.personal_id == seen.personal_id)
    log.info("relationship_changed", relationship_id=str(relationship_id), relation=relative.relation)
    return await _answer(session, caller, grant, person, relationship_id)


async def _today(session: AsyncSession, number: str, relationship_id: UUID) -> Relative:
    for relative in await relationships.relatives_of(session, number):
        if relative.relationship_id == relationship_id:
            return relative
    raise RelationshipNotFound


async def _locked(session: AsyncSession, numbers: Sequence[str | None]) -> list[Person]:
    """Return those of these people whom the register holds: an import may name relatives beside them."""
    stated = sorted({n for n in numbers if n is not None})
    found = [await persons.find(session, number, lock=True) for number in stated]
    return [person for person in found if person is not None]


_CAUSES: dict[str, frozenset[RelationshipEnd]] = {
    "SPOUSE": frozenset({RelationshipEnd.DIVORCE, RelationshipEnd.ANNULMENT}),
    "GUARDIAN": frozenset({RelationshipEnd.GUARDIANSHIP_ENDED}),
    "WARD": frozenset({RelationshipEnd.GUARDIANSHIP_ENDED}),
    "MOTHER": frozenset({RelationshipEnd.PARENTAGE_CHANGED}),
    "FATHER": frozenset({RelationshipEnd.PARENTAGE_CHANGED}),
    "CHILD": frozenset({RelationshipEnd.PARENTAGE_CHANGED}),
}


def _fits(relative: Relative, body: RelationshipEndIn) -> None:
    cause = RelationshipEnd(body.cause)
    if cause is not RelationshipEnd.WRONG_ENTRY and cause not in _CAUSES[relative.relation]:
        raise RelationshipNotLawful(errors=[_fault("cause", "not-of-this-relation")])
    early = relative.since is not None and body.ended_on is not None and body.ended_on < relative.since
    if early or (body.ended_on is not None and body.ended_on > today()):
        raise RelationshipNotLawful(errors=[_fault("ended_on", "outside-the-relationship")])


async def _end(
    session: AsyncSession,
    people: Sequence[Person],
    relative: Relative,
    *,
    ended_on: date | None,
    cause: RelationshipEnd,
    grounds: Grounds,
) -> None:
    ids = [relative.relationship_id]
    status: MaritalStatus | None = None
    if relative.relation == Relation.SPOUSE:
        ids = await _marriage(session, [p.personal_id for p in people]) or ids
        status = _STATUS_AFTER.get(cause)
    await relationships.part(session, ids, ended_on=ended_on, cause=cause, source=grounds.source)
    for person in people:
        after = status
        if relative.relation == Relation.SPOUSE and after is None:
            after = await _status_before(session, person)
        await _note(session, person, grounds, status=after)


async def _marriage(session: AsyncSession, both: Sequence[str]) -> list[UUID]:
    """Return the rows of the marriage of these two; one known by name only has no second row."""
    found = await relationships.marriages_of(session, both)
    return [row for row, (one, other) in found.items() if {one, other} <= set(both)]


async def _status_before(session: AsyncSession, person: Person) -> MaritalStatus:
    """Return what somebody is whose marriage never was: as the marriage before left them."""
    former = await relationships.relatives_of(session, person.personal_id, former=True)
    ended = [r for r in former if r.relation == Relation.SPOUSE and r.ended_on is not None]
    ended = [r for r in ended if RelationshipEnd(r.end_cause or "") in _STATUS_AFTER]
    if not ended:
        return MaritalStatus.SINGLE
    last = max(ended, key=lambda r: r.ended_on or date.min)
    return _STATUS_AFTER[RelationshipEnd(last.end_cause or "")]


async def list_relationships(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    on: date | None,
) -> RelationshipsOut:
    """Return a person's relatives of today and former ones, or those of a day, with a record of the read.

    Raises:
        FieldGroupNotCovered: the agreement does not hold family relations.
        PersonNotFound: nobody has the number, or not within the agreement's scope; this is recorded, too.
    """
    grant.require_field_groups(_FAMILY)
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=_FAMILY,
        lock=False,
    )
    relatives = [
        *(await relationships.relatives_of(session, person.personal_id)),
        *(await relationships.relatives_of(session, person.personal_id, former=True)),
    ]
    if on is not None:
        relatives = [r for r in relatives if _true_on(r, on)]
    await _disclose(session, caller, grant, person.personal_id, relatives)
    return RelationshipsOut(items=tuple(_out(r) for r in relatives))


def _true_on(relative: Relative, day: date) -> bool:
    """Tell whether a relationship was true on a day; one without a beginning was always."""
    if relative.end_cause == RelationshipEnd.WRONG_ENTRY:
        return False
    begun = relative.since is None or relative.since <= day
    return begun and (relative.ended_on is None or day <= relative.ended_on)


async def _answer(
    session: AsyncSession, caller: Caller, grant: Grant, person: Person, relationship_id: UUID
) -> RelationshipOut:
    for former in (False, True):
        for relative in await relationships.relatives_of(session, person.personal_id, former=former):
            if relative.relationship_id == relationship_id:
                await _disclose(session, caller, grant, person.personal_id, [relative])
                return _out(relative)
    raise RelationshipNotFound


async def _disclose(
    session: AsyncSession, caller: Caller, grant: Grant, number: str, shown: Sequence[Relative]
) -> None:
    """Record the answer about the person and about each relative whom it names: it is their data as well."""
    numbers = [number, *(r.personal_id for r in shown if r.personal_id is not None)]
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=list(dict.fromkeys(numbers)),
        field_groups=_FAMILY,
        outcome=Outcome.DISCLOSED,
    )


def _out(relative: Relative) -> RelationshipOut:
    names = ("relationship_id", "relation", "personal_id", "name", "since", "ended_on", "end_cause", "source")
    return RelationshipOut.model_validate({name: getattr(relative, name) for name in names})


async def end_by_death(session: AsyncSession, *, personal_id: str, grounds: Grounds) -> None:
    """End the marriage and the guardianships of a person who died; the survivor is widowed."""
    number = await persons.current_number(session, personal_id)
    ending = [
        r
        for r in await relationships.relatives_of(session, number)
        if r.relation in {"SPOUSE", "GUARDIAN", "WARD"}
    ]
    if not ending:
        return
    people = await _locked(session, [number, *(r.personal_id for r in ending)])
    by_number = {p.personal_id: p for p in people}
    status: dict[str, MaritalStatus] = {}
    for relative in ending:
        ids = [relative.relationship_id]
        if relative.relation == Relation.SPOUSE:
            both = [n for n in (number, relative.personal_id) if n is not None]
            ids = await _marriage(session, both) or ids
            status.update(dict.fromkeys(both, MaritalStatus.WIDOWED))
        await relationships.part(
            session, ids, ended_on=grounds.on, cause=RelationshipEnd.DEATH, source=grounds.source
        )
    for other in sorted(by_number):
        await _note(session, by_number[other], grounds, status=status.get(other))
