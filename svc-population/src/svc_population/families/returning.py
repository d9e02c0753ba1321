"""A death that was taken back: the marriage is restored where neither has married since.

Law on Marriage and Family 52/2014/QH13, article 67: where the court annuls a declaration of death, the
marriage is restored from its beginning; a later marriage of the other one stands. Guardianships are not
restored by themselves: a ward has had another guardian to be found meanwhile, and an office decides.
"""

from collections.abc import Sequence
from datetime import date

from ndx_chassis.audit import record_audit
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.families.noting import Grounds
from svc_population.persons import service as persons
from svc_population.persons.vocabulary import MaritalStatus
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Relative
from svc_population.relationships.vocabulary import RelationshipEnd


async def restore_marriage(session: AsyncSession, *, personal_id: str, grounds: Grounds) -> None:
    """Let the marriage go on that ended last with a death, be the day of the death corrected since or not.

    Where one of the two has married since, however that ended, it is left to an officer.
    """
    number = await persons.current_number(session, personal_id)
    marriage = await _ended_by_death(session, number)
    if marriage is None:
        return
    both = sorted({n for n in (number, marriage.personal_id) if n is not None})
    people = [p for n in both if (p := await persons.find(session, n, lock=True)) is not None]
    if len(people) < len(both) or any(p.locked for p in people):
        return
    day = grounds.on if marriage.ended_on is None else marriage.ended_on
    # Of a spouse without a number nobody says whose death it was, unless the days are the same.
    unsure = marriage.personal_id is None and day != grounds.on
    if unsure or await _married_since(session, both, marriage, on=min(day, grounds.on)):
        await record_audit(
            session,
            grounds.actor,
            action="marriage_not_restored",
            entity_type=persons.ENTITY,
            entity_id=next(p.person_id for p in people if p.personal_id == number),
            details={"relationship_id": str(marriage.relationship_id)},
        )
        return
    await relationships.resume_marriage(session, marriage.relationship_id)
    news = persons.Change(
        {"marital_status": MaritalStatus.MARRIED.value}, valid_from=day, source=grounds.source
    )
    for person in people:
        family = (FieldGroup.FAMILY_RELATIONS,)
        changed = await persons.change(session, person, news, actor=grounds.actor, also=family)
        await persons.announce_change(session, person, changed, version=person.version + 1)


async def _ended_by_death(session: AsyncSession, number: str) -> Relative | None:
    former = await _former_marriages(session, number)
    ended = [r for r in former if r.end_cause == RelationshipEnd.DEATH]
    return max(ended, key=lambda r: r.ended_on or date.min, default=None)


async def _married_since(session: AsyncSession, both: Sequence[str], marriage: Relative, *, on: date) -> bool:
    """Tell whether one of two people has, or had, another marriage that may have begun since a day."""
    if await relationships.marriages_of(session, both):
        return True
    others = [
        r
        for number in both
        for r in await _former_marriages(session, number)
        # With the other one the same marriage stands once more.
        if r.relationship_id != marriage.relationship_id
        and (r.personal_id not in both or r.ended_on != marriage.ended_on)
    ]
    return any((r.since or r.ended_on or on) >= on for r in others)


async def _former_marriages(session: AsyncSession, number: str) -> list[Relative]:
    former = await relationships.relatives_of(session, number, former=True)
    return [r for r in former if r.relation == "SPOUSE"]
