"""A death that was taken back: the marriage is restored where neither has married since.

Law on Marriage and Family 52/2014/QH13, article 67: where the court annuls a declaration of death, the
marriage is restored from its beginning; a later marriage of the other one stands. Guardianships are not
restored by themselves: a ward has had another guardian to be found meanwhile, and an office decides.
"""

from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.families.noting import Grounds
from svc_population.persons import service as persons
from svc_population.persons.vocabulary import MaritalStatus
from svc_population.relationships import service as relationships
from svc_population.relationships.vocabulary import RelationshipEnd


async def restore_marriage(session: AsyncSession, *, personal_id: str, grounds: Grounds) -> None:
    """Let the marriage go on that ended with a death on the day of `grounds`."""
    number = await persons.current_number(session, personal_id)
    former = await relationships.relatives_of(session, number, former=True)
    ended = [r for r in former if r.relation == "SPOUSE" and r.ended_on == grounds.on]
    marriage = next((r for r in ended if r.end_cause == RelationshipEnd.DEATH), None)
    if marriage is None:
        return
    both = sorted({n for n in (number, marriage.personal_id) if n is not None})
    people = [p for n in both if (p := await persons.find(session, n, lock=True)) is not None]
    if len(people) < len(both) or any(p.locked for p in people):
        return
    if await relationships.marriages_of(session, both):
        return
    await relationships.resume_marriage(session, marriage.relationship_id)
    news = persons.Change(
        {"marital_status": MaritalStatus.MARRIED.value}, valid_from=grounds.on, source=grounds.source
    )
    for person in people:
        family = (FieldGroup.FAMILY_RELATIONS,)
        changed = await persons.change(session, person, news, actor=grounds.actor, also=family)
        await persons.announce_change(session, person, changed, version=person.version + 1)
