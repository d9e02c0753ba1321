"""Use cases: end a relationship of today, and all that a death ends."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import found
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.families.errors import RelationshipNotFound, RelationshipNotLawful
from svc_population.families.noting import FAMILY, Grounds, fault, note
from svc_population.families.reading import answer
from svc_population.families.schemas import RelationshipEndIn, RelationshipOut
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.persons.vocabulary import MaritalStatus
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Relative
from svc_population.relationships.vocabulary import Relation, RelationshipEnd

_STATUS_AFTER = {
    RelationshipEnd.DIVORCE: MaritalStatus.DIVORCED,
    RelationshipEnd.DEATH: MaritalStatus.WIDOWED,
}


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
    grant.require_field_groups(FAMILY)
    seen = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=FAMILY,
        lock=False,
    )
    relative = await _today(session, seen.personal_id, relationship_id)
    others = [n for n in (relative.personal_id,) if n is not None]
    found(session, caller, grant=grant, subjects=others, field_groups=FAMILY)
    people = await _locked(session, [seen.personal_id, relative.personal_id])
    # Read again: what was seen before the locks may have ended meanwhile.
    relative = await _today(session, seen.personal_id, relationship_id)
    _fits(relative, body, people)
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
    return await answer(session, caller, grant, person, relationship_id)


async def _today(session: AsyncSession, number: str, relationship_id: UUID) -> Relative:
    for relative in await relationships.relatives_of(session, number):
        if relative.relationship_id == relationship_id:
            return relative
    raise RelationshipNotFound


async def _locked(session: AsyncSession, numbers: Sequence[str | None]) -> list[Person]:
    """Return those of these people whom the register holds: an import may name relatives beside them."""
    stated = sorted({n for n in numbers if n is not None})
    held = [await persons.find(session, number, lock=True) for number in stated]
    return [person for person in held if person is not None]


_ENDED_BY_DEATH = frozenset({"SPOUSE", "GUARDIAN", "WARD"})
_CAUSES: dict[str, frozenset[RelationshipEnd]] = {
    "SPOUSE": frozenset({RelationshipEnd.DIVORCE, RelationshipEnd.ANNULMENT}),
    "GUARDIAN": frozenset({RelationshipEnd.GUARDIANSHIP_ENDED}),
    "WARD": frozenset({RelationshipEnd.GUARDIANSHIP_ENDED}),
    "MOTHER": frozenset({RelationshipEnd.PARENTAGE_CHANGED}),
    "FATHER": frozenset({RelationshipEnd.PARENTAGE_CHANGED}),
    "CHILD": frozenset({RelationshipEnd.PARENTAGE_CHANGED}),
}


def _fits(relative: Relative, body: RelationshipEndIn, people: Sequence[Person]) -> None:
    cause = RelationshipEnd(body.cause)
    if cause is not RelationshipEnd.WRONG_ENTRY and cause not in _CAUSES[relative.relation]:
        raise RelationshipNotLawful(errors=[fault("cause", "not-of-this-relation")])
    # What an import brought has no first day: it was not before both were born.
    first = relative.since or max(person.birth_date for person in people)
    if body.ended_on is not None and not first <= body.ended_on <= today():
        raise RelationshipNotLawful(errors=[fault("ended_on", "outside-the-relationship")])


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
        await note(session, person, grounds, status=after)


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


async def touched_by_death(session: AsyncSession, personal_id: str) -> list[str]:
    """Return the numbers of those whom a death or its end touches: the person, spouses, guardians, wards."""
    number = await persons.current_number(session, personal_id)
    today = await relationships.relatives_of(session, number)
    former = await relationships.relatives_of(session, number, former=True)
    found = {r.personal_id for r in (*today, *former) if r.relation in _ENDED_BY_DEATH}
    return [number, *(other for other in found if other is not None)]


async def end_by_death(session: AsyncSession, *, personal_id: str, grounds: Grounds) -> None:
    """End the marriage and the guardianships of a person who died; the survivor is widowed."""
    number = await persons.current_number(session, personal_id)
    ending = [r for r in await relationships.relatives_of(session, number) if r.relation in _ENDED_BY_DEATH]
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
        await note(session, by_number[other], grounds, status=status.get(other))
