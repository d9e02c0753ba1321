"""Use case: whom a death took out of a household that was taken back joins it again where that is sure."""

from ndx_chassis.audit import record_audit
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.households import book, repository
from svc_population.households.book import ENTITY, InHand, Step
from svc_population.households.models import HouseholdMember
from svc_population.households.vocabulary import HouseholdState, MembershipEnd, RelationToHead
from svc_population.persons import service as persons


async def hold(session: AsyncSession, personal_id: str) -> list[str]:
    """Lock the household in which a person is, or that a death took them from; return its members' numbers.

    Who is to be locked beside it comes after it: the members and others, in the order of their numbers.
    """
    person = await persons.find(session, personal_id)
    if person is None:
        return []
    number = person.household_number
    if number is None:
        left = await repository.left_by_death(session, person.person_id)
        number = None if left is None else left.household_number
    if number is None:
        return []
    await repository.household(session, number, lock=True)
    return [row.personal_id for row in await repository.members(session, number)]


async def rejoin_after_death(session: AsyncSession, *, personal_id: str, step: Step) -> None:
    """Give a person the place back that a death took from them, from the same day on.

    Not where a household has another head by now: what the members are to each other has changed then, and
    they tell the police, as do those whose household somebody else dissolved or who joined another one.
    """
    seen = await persons.find(session, personal_id)
    if seen is None or seen.household_number is not None:
        return
    left = await repository.left_by_death(session, seen.person_id)
    if left is None:
        return
    hand = await book.take(session, left.household_number, even_dissolved=True)
    person = await persons.find(session, personal_id, lock=True)
    if person is None or person.locked or person.household_number is not None:
        return
    values = await _values(session, hand, left)
    if values is None:
        log.info("household_not_rejoined", household_id=str(hand.household.id))
        await record_audit(
            session,
            step.actor,
            action="household_not_rejoined",
            entity_type=ENTITY,
            entity_id=hand.household.id,
            details={"person_id": str(person.person_id)},
        )
        return
    since = Step(on=left.ended_on or step.on, source=step.source, actor=step.actor, document=step.document)
    relation = RelationToHead(left.relation_to_head)
    await book.place(session, hand.household, person, relation, step=since, cause=MembershipEnd.DEATH)
    await book.close(session, hand.household, "household_rejoined", step=since, **values)


async def _values(session: AsyncSession, hand: InHand, left: HouseholdMember) -> dict[str, object] | None:
    """Return what changes of the household's own row; None where an officer has to decide."""
    headed = left.relation_to_head == RelationToHead.HEAD
    household = hand.household
    if not hand.members:
        # It ended with this death, or somebody ended it later for another reason.
        ended_with_it = household.dissolved_on == left.ended_on and headed
        return {"state": HouseholdState.ACTIVE.value, "dissolved_on": None} if ended_with_it else None
    if headed:
        return {"state": HouseholdState.ACTIVE.value} if hand.head is None else None
    if hand.head is None:
        return {}
    since = await repository.heads_since(session, hand.head.person_id)
    return {} if since is not None and left.ended_on is not None and since <= left.ended_on else None
