"""Use case: record a parent, a marriage, a guardian."""

from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.idempotency import once
from ndx_chassis.telemetry import log
from ndx_contracts.bodies import Input
from ndx_contracts.names import composed
from ndx_contracts.personal_ids import PersonalId
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.families.errors import RelationshipExists, RelationshipNotLawful
from svc_population.families.noting import FAMILY, Grounds, fault, note
from svc_population.families.reading import answer
from svc_population.families.rules import Case, Named, Somebody, reasons, reasons_by_name
from svc_population.families.schemas import RelationshipIn, RelationshipOut
from svc_population.personal_ids import rules as births
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Parent
from svc_population.relationships.vocabulary import Relation

_MOST_GUARDIANS = 5


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
    grant.require_field_groups(FAMILY)
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
            field_groups=FAMILY,
            anywhere=number != personal_id,
        )
    person = both[personal_id]
    other = both[body.personal_id] if body.personal_id else None
    if body.since is not None and body.since > today():
        raise RelationshipNotLawful(errors=[fault("since", "in-future")])
    _refuse(person, other, body)
    grounds = Grounds(
        on=body.since or person.birth_date,
        source=f"{caller.agency}:relationship:{body.document}",
        actor=caller,
        document={"document": body.document},
    )
    made = await _record(session, person, other, body, grounds)
    await note(session, person, grounds, married=body.relation is Relation.SPOUSE)
    if other is not None:
        await note(session, other, grounds, married=body.relation is Relation.SPOUSE)
    log.info("relationship_changed", relationship_id=str(made), relation=body.relation.value)
    return await answer(session, caller, grant, person, made)


def _refuse(person: Person, other: Person | None, body: RelationshipIn) -> None:
    since = body.since or person.birth_date
    youngest = births.bounds_on(person.birth_date).youngest_parent_years
    if other is None:
        named = Named(body.relation, _somebody(person), body.birth_year, since, youngest)
        codes = list(reasons_by_name(named))
    elif person.personal_id == other.personal_id:
        raise RelationshipNotLawful(errors=[fault("personal_id", "oneself")])
    else:
        codes = list(reasons(Case(body.relation, _somebody(person), _somebody(other), since, youngest)))
    faults = [fault("relation", code) for code in dict.fromkeys(codes)]
    if faults:
        raise RelationshipNotLawful(errors=faults)


def _somebody(person: Person) -> Somebody:
    return Somebody(person.birth_date, person.sex, person.death_or_missing_date if person.locked else None)


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
