"""Use case: correct who was in a household, or headed it, on past days, and on no other."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import CaseMissing, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import found
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.changes.periods import versions
from svc_population.households import book, events, periods, repository
from svc_population.households.answers import GROUPS, answer, require_scope
from svc_population.households.book import Step
from svc_population.households.errors import (
    HeadNeeded,
    HouseholdDatesInvalid,
    HouseholdVersionConflict,
    MemberElsewhere,
)
from svc_population.households.models import Household
from svc_population.households.periods import Spell
from svc_population.households.schemas import HouseholdCorrectionIn, HouseholdDetailOut
from svc_population.households.vocabulary import MembershipEnd, RelationToHead
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.persons.reconstruction import steps
from svc_population.persons.vocabulary import ChangeKind


async def correct_household(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    number: str,
    body: HouseholdCorrectionIn,
    version: int | None,
) -> HouseholdDetailOut:
    """Let past days hold other members or another head; what is on record already is no change.

    Raises:
        CaseMissing: the call names no dossier.
        FieldGroupNotCovered, HouseholdNotFound, HouseholdVersionConflict, PersonNotFound: as their codes say.
        HouseholdDatesInvalid: the days are not over, or not within the household's time or a person's life.
        MemberElsewhere: somebody was in another household then, and it is not stated that they were not.
        HeadNeeded: a household would have had members and no head, or two heads, on one of the days.
    """
    if not caller.case_id:
        raise CaseMissing("A correction belongs to a dossier: name it in NDX-Case-Id.")
    grant.require_field_groups(GROUPS)
    stated = {await persons.current_number(session, m.personal_id): m.relation_to_head for m in body.members}
    seen = [await persons.find(session, personal_id) for personal_id in sorted(stated)]
    ids = [person.person_id for person in seen if person is not None]
    known = await repository.memberships(session, people=ids)
    today = [person.household_number for person in seen if person is not None and person.household_number]
    # Households before persons, each in one order, so that nobody waits for each other.
    taken = {
        each: (await book.take(session, each, even_dissolved=True)).household
        for each in sorted({number, *today, *(m.household_number for m in known)})
    }
    household = taken[number]
    require_scope(grant, household)
    people = [
        await persons.within(
            session,
            runtime,
            caller=caller,
            grant=grant,
            personal_id=personal_id,
            field_groups=GROUPS,
            anywhere=True,
        )
        for personal_id in sorted(stated)
    ]
    found(session, caller, grant=grant, subjects=[p.personal_id for p in people], field_groups=GROUPS)
    relations = {p.person_id: stated[p.personal_id] for p in people}
    _check_days(household, people, relations, body)
    before = await _spells(session, taken, people)
    after = _corrected(before, relations, number, body)
    for each in taken:
        day = periods.headed_wrongly(before, after, each, body.valid_from, body.valid_to)
        if day is not None:
            raise HeadNeeded(f"On {day.isoformat()} there has to be one head, and no second one.")
    told = {p.person_id: await _told(session, p, relations[p.person_id], number, body) for p in people}
    changed = set(before) != set(after)
    if not changed and not any(told.values()):
        return await answer(session, caller, grant, household)
    if version is not None and version != household.version:
        raise HouseholdVersionConflict(f"It has version {household.version}.")
    step = Step(
        on=body.valid_from,
        source=f"{caller.agency}:household:{body.document}",
        actor=caller,
        document={"document": body.document},
        after_death=True,
    )
    await _rewrite(session, before, after, people, step)
    for person in people:
        await _write(session, household, person, told[person.person_id], step)
    touched = {number} | {s.household for s in {*before} ^ {*after}}
    for each in sorted(touched):
        await book.close(session, taken[each], "household_corrected", step=step)
    return await answer(session, caller, grant, household, also=[p.personal_id for p in people])


def _check_days(
    household: Household,
    people: Sequence[Person],
    relations: dict[UUID, RelationToHead | None],
    body: HouseholdCorrectionIn,
) -> None:
    first, last = body.valid_from, body.valid_to
    formed, dissolved = household.formed_on, household.dissolved_on
    wrong = last < first or last >= admin_units.today()
    wrong |= formed is not None and first < formed
    wrong |= dissolved is not None and last >= dissolved
    for person in people:
        died_on = person.death_or_missing_date if person.locked else None
        alive = first >= person.birth_date and (died_on is None or last <= died_on)
        wrong |= relations[person.person_id] is not None and not alive
    if wrong:
        raise HouseholdDatesInvalid


async def _spells(
    session: AsyncSession, taken: dict[str, Household], people: Sequence[Person]
) -> list[Spell]:
    rows = await repository.memberships(session, households=list(taken), people=[p.person_id for p in people])
    if any(row.household_number not in taken for row in rows):
        raise MemberElsewhere("Somebody moved meanwhile: read the household again.")
    return [
        Spell(r.person_id, r.household_number, r.relation_to_head, r.since, r.ended_on, r.id) for r in rows
    ]


def _corrected(
    before: Sequence[Spell],
    relations: dict[UUID, RelationToHead | None],
    number: str,
    body: HouseholdCorrectionIn,
) -> list[Spell]:
    first, last = body.valid_from, body.valid_to
    elsewhere = {
        s.person_id
        for s in before
        if s.person_id in relations and s.household != number and s.meets(first, last)
    }
    for person, relation in relations.items():
        if person in elsewhere and (relation is None or not body.leaves_former):
            raise MemberElsewhere
    told = {
        person: None
        if relation is None
        else Spell(person, number, relation.value, first, last + timedelta(days=1))
        for person, relation in relations.items()
    }
    return periods.corrected(before, told, number, first, last)


async def _told(
    session: AsyncSession,
    person: Person,
    relation: RelationToHead | None,
    number: str,
    body: HouseholdCorrectionIn,
) -> list[tuple[date, dict[str, Any]]]:
    """Return (day, columns) of the versions that a person's record needs."""
    stated = {
        "household_number": None if relation is None else number,
        "relation_to_head": None if relation is None else relation.value,
    }
    every = steps(
        await persons.record_of(session, person), await persons.history_of(session, person.person_id)
    )
    return versions(every, stated, first=body.valid_from, last=body.valid_to)


async def _rewrite(
    session: AsyncSession,
    before: Sequence[Spell],
    after: Sequence[Spell],
    people: Sequence[Person],
    step: Step,
) -> None:
    """Replace the memberships that a correction cuts."""
    gone = {s.origin: s for s in before if s not in set(after)}
    rows = await repository.memberships(session, people=[s.person_id for s in {*before} ^ {*after}])
    by_id = {row.id: row for row in rows}
    numbers = {p.person_id: p.personal_id for p in people}
    fresh = []
    for spell in after:
        if spell in set(before):
            continue
        own = None if spell.origin is None else by_id[spell.origin]
        cause = own.end_cause if own is not None and own.ended_on == spell.until else None
        if spell.until is not None and cause is None:
            cause = _cause(after, spell, spell.until)
        fresh.append(
            {
                "household_number": spell.household,
                "person_id": spell.person_id,
                "personal_id": numbers[spell.person_id] if own is None else own.personal_id,
                "relation_to_head": spell.relation,
                "since": spell.since,
                "ended_on": spell.until,
                "end_cause": cause,
                "source": step.source,
                "recorded_by": step.actor.actor,
            }
        )
    await repository.supersede(session, [i for i in gone if i is not None], day=admin_units.today())
    await repository.add_members(session, fresh)


def _cause(after: Sequence[Spell], spell: Spell, day: date) -> str:
    """Return why a membership ended on a day, by what followed it."""
    mine = (s for s in after if s.person_id == spell.person_id and s.covers(day))
    following = next(mine, None)
    if following is None:
        return MembershipEnd.LEFT.value
    here = following.household == spell.household
    return (MembershipEnd.RELATION_CHANGED if here else MembershipEnd.MOVED).value


async def _write(
    session: AsyncSession,
    household: Household,
    person: Person,
    told: Sequence[tuple[date, dict[str, Any]]],
    step: Step,
) -> None:
    changed: dict[str, None] = {}
    for day, columns in told:
        news = persons.Change(
            columns,
            valid_from=day,
            source=step.source,
            kind=ChangeKind.CORRECTION,
            agency=step.source.partition(":")[0],
            document=step.document,
            after_death=True,
        )
        done = await persons.change(session, person, news, actor=step.actor, whole=True)
        changed.update(dict.fromkeys(done))
        await session.refresh(person)
    if not changed:
        return
    province, commune = persons.place_of(person)
    await publish(
        session,
        events.household_changed(
            person_id=person.person_id,
            personal_id=person.personal_id,
            version=person.version,
            changed=list(changed),
            household_id=household.id,
            province_code=province,
            commune_code=commune,
        ),
    )
    await persons.announce_change(session, person, list(changed), version=person.version)
