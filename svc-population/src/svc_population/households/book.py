"""The book of households beside the persons' rows: taking one in hand, and moving one person at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.households import events, repository
from svc_population.households.errors import (
    HouseholdDatesInvalid,
    HouseholdDissolved,
    HouseholdNotFound,
    MemberNotFound,
)
from svc_population.households.models import Household
from svc_population.households.vocabulary import HouseholdState, MembershipEnd, RelationToHead
from svc_population.persons import service as persons
from svc_population.persons.errors import RecordsChangedSince
from svc_population.persons.models import Person

ENTITY = "household"


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a household: since when, on which word, by whom."""

    on: date
    source: str
    actor: Actor
    document: dict[str, Any] | None = None
    after_death: bool = False


@dataclass(slots=True)
class InHand:
    """A household whose row and whose members' rows are locked; `members` follows each change."""

    household: Household
    members: dict[str, Person]

    def member(self, personal_id: str) -> Person:
        """Return a member by a number of today.

        Raises:
            MemberNotFound: the person is none.
        """
        found = self.members.get(personal_id)
        if found is None:
            raise MemberNotFound
        return found

    @property
    def head(self) -> Person | None:
        return next((p for p in self.members.values() if p.relation_to_head == RelationToHead.HEAD), None)


async def take(session: AsyncSession, number: str, *, even_dissolved: bool = False) -> InHand:
    """Lock a household and its members, the household first; what an import brought gets rows.

    Raises:
        HouseholdNotFound: there is none of this number.
        HouseholdDissolved: it has no members any more.
    """
    household = await repository.household(session, number, lock=True)
    found = await repository.members(session, number)
    if household is None:
        if not found:
            raise HouseholdNotFound
        await repository.make(session, derived(number, found))
        household = await repository.household(session, number, lock=True)
        found = await repository.members(session, number)
        if household is None:
            raise HouseholdNotFound
    if household.state == HouseholdState.DISSOLVED and not even_dissolved:
        raise HouseholdDissolved
    members: dict[str, Person] = {}
    for personal_id in sorted(row.personal_id for row in found):
        person = await persons.find(session, personal_id, lock=True)
        if person is not None and person.household_number == number:
            members[person.personal_id] = person
    await _record(session, household, members)
    return InHand(household, members)


def derived(number: str, members: Any) -> dict[str, Any]:
    """Return the row that an imported household becomes: it lies where its head is registered."""
    first = members[0]
    head = first.relation_to_head == RelationToHead.HEAD
    return {
        "number": number,
        "state": (HouseholdState.ACTIVE if head else HouseholdState.HEAD_NEEDED).value,
        "province_code": first.permanent_province_code,
        "commune_code": first.permanent_commune_code,
        "address": first.permanent_address,
        "source": first.source,
    }


async def _record(session: AsyncSession, household: Household, members: dict[str, Person]) -> None:
    """Give members whom the book does not know yet a membership."""
    known = {row.person_id for row in await repository.running(session, household.number)}
    await repository.add_members(
        session,
        [
            {
                "household_number": household.number,
                "person_id": p.person_id,
                "personal_id": p.personal_id,
                "relation_to_head": p.relation_to_head or RelationToHead.OTHER.value,
                "since": max(p.birth_date, household.formed_on or p.permanent_since or p.birth_date),
                "source": p.source,
                "recorded_by": "import",
            }
            for p in members.values()
            if p.person_id not in known
        ],
    )


def check_day(day: date, people: list[Person]) -> None:
    """Refuse a day in the future or before somebody's birth.

    Raises:
        HouseholdDatesInvalid: it is one.
    """
    if day > admin_units.today() or any(day < p.birth_date for p in people):
        raise HouseholdDatesInvalid


async def place(
    session: AsyncSession,
    household: Household,
    person: Person,
    relation: RelationToHead | None,
    *,
    step: Step,
    cause: MembershipEnd,
) -> None:
    """Give a person a relation in a household (None: they leave it), in the book and in their own row."""
    await repository.end_membership(session, person.person_id, day=step.on, cause=cause)
    if relation is not None:
        row = {
            "household_number": household.number,
            "person_id": person.person_id,
            "personal_id": person.personal_id,
            "relation_to_head": relation.value,
            "since": step.on,
            "source": step.source,
            "recorded_by": step.actor.actor,
        }
        await repository.add_members(session, [row])
    values = {
        "household_number": None if relation is None else household.number,
        "relation_to_head": None if relation is None else relation.value,
    }
    news = persons.Change(
        values,
        valid_from=step.on,
        source=step.source,
        agency=step.source.partition(":")[0],
        document=step.document,
        after_death=step.after_death,
    )
    changed = await persons.change(session, person, news, actor=step.actor)
    if not changed:
        return
    await session.refresh(person)
    province, commune = persons.place_of(person)
    await publish(
        session,
        events.household_changed(
            person_id=person.person_id,
            personal_id=person.personal_id,
            version=person.version,
            changed=changed,
            household_id=household.id,
            province_code=province,
            commune_code=commune,
        ),
    )
    await persons.announce_change(session, person, changed, version=person.version)


async def close(
    session: AsyncSession, household: Household, action: str, *, step: Step, **values: Any
) -> None:
    """Write the household's own row after a change, with the audit entry."""
    await repository.alter(session, household.number, {"source": step.source, **values})
    await session.refresh(household)
    await record_audit(
        session,
        step.actor,
        action=action,
        entity_type=ENTITY,
        entity_id=household.id,
        details={"state": household.state, "version": household.version},
    )
    log.info("household_changed", household_id=str(household.id), state=household.state)


async def hand_over(
    session: AsyncSession, *, giver: UUID, taker: UUID, only: Sequence[str] | None = None
) -> list[str]:
    """Let the former memberships of a record stand with another record of the person; return which.

    A duplicate that is still a member is not merged, so none of them runs.

    Raises:
        RecordsChangedSince: one of those that go back was corrected since.
    """
    ids = None if only is None else [UUID(i) for i in only]
    if ids is not None and await repository.corrected_among(session, ids):
        raise RecordsChangedSince("A former membership was corrected since.")
    return [str(i) for i in await repository.hand_over(session, giver=giver, taker=taker, only=ids)]
