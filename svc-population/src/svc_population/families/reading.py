"""Use cases: read a person's relatives, and answer with one of them; each leaves a record of disclosure."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.families.errors import RelationshipNotFound
from svc_population.families.noting import FAMILY
from svc_population.families.schemas import RelationshipOut, RelationshipsOut
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Relative
from svc_population.relationships.vocabulary import RelationshipEnd


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
    grant.require_field_groups(FAMILY)
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=FAMILY,
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


async def answer(
    session: AsyncSession, caller: Caller, grant: Grant, person: Person, relationship_id: UUID
) -> RelationshipOut:
    """Return one relationship of a person, with a record of the answer.

    Raises:
        RelationshipNotFound: the person has and had no such relationship.
    """
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
        field_groups=FAMILY,
        outcome=Outcome.DISCLOSED,
    )


def _out(relative: Relative) -> RelationshipOut:
    names = ("relationship_id", "relation", "personal_id", "name", "since", "ended_on", "end_cause", "source")
    return RelationshipOut.model_validate({name: getattr(relative, name) for name in names})
