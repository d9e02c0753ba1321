"""Use cases of households: form, join, leave, split, another head; a death; read; who waits for a head."""

from collections.abc import Sequence

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import found
from ndx_chassis.idempotency import once
from ndx_contracts.bodies import Input
from ndx_contracts.names import composed
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.households import book, repository
from svc_population.households.answers import GROUPS, answer, require_scope
from svc_population.households.book import InHand, Step
from svc_population.households.errors import (
    HeadNeeded,
    HouseholdNotFound,
    MemberElsewhere,
    RelationsIncomplete,
)
from svc_population.households.models import Household
from svc_population.households.schemas import (
    HeadIn,
    HouseholdDetailOut,
    HouseholdIn,
    JoinIn,
    LeaveIn,
    MemberIn,
    SplitIn,
    StepIn,
)
from svc_population.households.vocabulary import HouseholdState, MembershipEnd, RelationToHead
from svc_population.persons import service as persons
from svc_population.persons.errors import PersonLocked
from svc_population.persons.models import Person
from svc_population.residences.errors import PlaceUnknown


class _Request(Input):
    """What one Idempotency-Key stands for."""

    number: str | None = None
    body: HouseholdIn | JoinIn


def _step(caller: Caller, body: StepIn) -> Step:
    source = f"{caller.agency}:household:{body.document}"
    return Step(on=body.on, source=source, actor=caller, document={"document": body.document})


async def form_household(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    body: HouseholdIn,
    idempotency_key: str | None,
) -> HouseholdDetailOut:
    """Form a household of people who are in none.

    Raises:
        FieldGroupNotCovered, OutsideAdminScope, PlaceUnknown, PersonNotFound, PersonLocked, MemberElsewhere,
        HouseholdDatesInvalid.
    """
    grant.require_field_groups(GROUPS)
    grant.require_scope(body.province_code, body.commune_code)
    return await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=_Request(body=body),
        response_type=HouseholdDetailOut,
        act=lambda: _form(session, runtime, caller, grant, body),
    )


async def _form(
    session: AsyncSession, runtime: Runtime, caller: Caller, grant: Grant, body: HouseholdIn
) -> HouseholdDetailOut:
    people = [await _person(session, runtime, caller, grant, m) for m in _in_order(body.members)]
    for person in people:
        if person.locked:
            raise PersonLocked
        if person.household_number is not None:
            raise MemberElsewhere
    book.check_day(body.on, people)
    step = _step(caller, body)
    household = await _open(session, body, step)
    await _place_all(session, household, people, body.members, step=step, cause=MembershipEnd.MOVED)
    await book.close(session, household, "household_formed", step=step)
    return await answer(session, caller, grant, household)


async def _person(
    session: AsyncSession, runtime: Runtime, caller: Caller, grant: Grant, member: MemberIn
) -> Person:
    """Return the locked person of a stated number, who may live anywhere: the household's place counts."""
    return await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=member.personal_id,
        field_groups=GROUPS,
        anywhere=True,
    )


def _in_order(members: Sequence[MemberIn]) -> list[MemberIn]:
    """Return members in the order in which persons are locked."""
    return sorted(members, key=lambda m: m.personal_id)


async def _open(session: AsyncSession, body: HouseholdIn, step: Step) -> Household:
    today = admin_units.today()
    if not await admin_units.is_commune_of(
        session, body.commune_code, province_code=body.province_code, day=today
    ):
        raise PlaceUnknown
    serial = await repository.next_number(session, body.commune_code, today.year)
    number = f"{body.commune_code}-{today.year}-{serial:06d}"
    await repository.make(
        session,
        {
            "number": number,
            "state": HouseholdState.ACTIVE.value,
            "province_code": body.province_code,
            "commune_code": body.commune_code,
            "address": None if body.address is None else composed(body.address),
            "formed_on": body.on,
            "source": step.source,
        },
    )
    household = await repository.household(session, number, lock=True)
    if household is None:
        raise HouseholdNotFound
    return household


async def _place_all(
    session: AsyncSession,
    household: Household,
    people: Sequence[Person],
    members: Sequence[MemberIn],
    *,
    step: Step,
    cause: MembershipEnd,
) -> None:
    """Give each their relation; the former head first, so that there never are two."""
    relation = {m.personal_id: m.relation_to_head for m in members}
    # A stated number may be a former one, so people come in the order of the stated members.
    pairs = list(zip(people, _in_order(members), strict=True))
    pairs.sort(key=lambda pair: relation[pair[1].personal_id] is RelationToHead.HEAD)
    for person, member in pairs:
        if (person.household_number, person.relation_to_head) == (household.number, member.relation_to_head):
            continue
        await book.place(session, household, person, member.relation_to_head, step=step, cause=cause)


async def join_household(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    number: str,
    body: JoinIn,
    idempotency_key: str | None,
) -> HouseholdDetailOut:
    """Let a person join, and leave the household in which they are, if that is stated.

    Raises:
        FieldGroupNotCovered, HouseholdNotFound, HouseholdDissolved, PersonNotFound, PersonLocked,
        MemberElsewhere, HeadNeeded, HouseholdDatesInvalid.
    """
    grant.require_field_groups(GROUPS)
    return await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=_Request(number=number, body=body),
        response_type=HouseholdDetailOut,
        act=lambda: _join(session, runtime, caller, grant, number, body),
    )


async def _join(  # noqa: PLR0917 - the facts of one call
    session: AsyncSession, runtime: Runtime, caller: Caller, grant: Grant, number: str, body: JoinIn
) -> HouseholdDetailOut:
    seen = await persons.find(session, body.personal_id)
    former = None if seen is None else seen.household_number
    # Households are taken in one order, so that two people who change places never wait for each other.
    both = sorted({number, former or number})
    taken = {each: await book.take(session, each) for each in both}
    joined = taken[number]
    require_scope(grant, joined.household)
    person = await _person(session, runtime, caller, grant, body)
    if person.household_number == number:
        return await answer(session, caller, grant, joined.household)
    if person.locked:
        raise PersonLocked
    if person.household_number != former or (former is not None and not body.leaves_former):
        raise MemberElsewhere
    book.check_day(body.on, [person])
    if joined.household.state == HouseholdState.HEAD_NEEDED:
        found(session, caller, grant=grant, subjects=joined.members, field_groups=GROUPS)
        raise HeadNeeded
    step = _step(caller, body)
    if former is not None:
        await _leave(session, taken[former], person.personal_id, step=step, cause=MembershipEnd.MOVED)
    await book.place(
        session, joined.household, person, body.relation_to_head, step=step, cause=MembershipEnd.MOVED
    )
    await book.close(session, joined.household, "household_joined", step=step)
    return await answer(session, caller, grant, joined.household)


async def leave_household(
    session: AsyncSession, *, caller: Caller, grant: Grant, number: str, personal_id: str, body: LeaveIn
) -> HouseholdDetailOut:
    """Let a member leave; the last one dissolves the household.

    Raises:
        FieldGroupNotCovered, HouseholdNotFound, HouseholdDissolved, MemberNotFound, HeadNeeded,
        HouseholdDatesInvalid.
    """
    grant.require_field_groups(GROUPS)
    hand = await _taken(session, caller, grant, number)
    current = await persons.current_number(session, personal_id)
    found(session, caller, grant=grant, subjects=[current], field_groups=GROUPS)
    book.check_day(body.on, [hand.member(current)])
    await _leave(session, hand, current, step=_step(caller, body), cause=MembershipEnd.LEFT)
    return await answer(session, caller, grant, hand.household, also=[current])


async def _leave(
    session: AsyncSession, hand: InHand, personal_id: str, *, step: Step, cause: MembershipEnd
) -> None:
    person = hand.member(personal_id)
    if person is hand.head and len(hand.members) > 1:
        raise HeadNeeded("Another member becomes the head first.")
    await book.place(session, hand.household, person, None, step=step, cause=cause)
    del hand.members[personal_id]
    if hand.members:
        await book.close(session, hand.household, "household_left", step=step)
    else:
        await book.close(
            session,
            hand.household,
            "household_dissolved",
            step=step,
            state=HouseholdState.DISSOLVED.value,
            dissolved_on=step.on,
        )


async def split_household(
    session: AsyncSession, *, caller: Caller, grant: Grant, number: str, body: SplitIn
) -> HouseholdDetailOut:
    """Let some members form a household of their own; the answer is the new one.

    Raises:
        FieldGroupNotCovered, OutsideAdminScope, HouseholdNotFound, HouseholdDissolved, MemberNotFound,
        HeadNeeded, PlaceUnknown, HouseholdDatesInvalid.
    """
    grant.require_field_groups(GROUPS)
    grant.require_scope(body.province_code, body.commune_code)
    hand = await _taken(session, caller, grant, number)
    leaving = [
        hand.member(await persons.current_number(session, m.personal_id)) for m in _in_order(body.members)
    ]
    staying = len(hand.members) - len(leaving)
    if staying and hand.head in leaving:
        raise HeadNeeded("Another member becomes the head first.")
    if not staying:
        raise HeadNeeded("A household that splits keeps members.")
    book.check_day(body.on, leaving)
    step = _step(caller, body)
    new = await _open(session, body, step)
    await _place_all(session, new, leaving, body.members, step=step, cause=MembershipEnd.SPLIT)
    await book.close(session, hand.household, "household_split", step=step)
    await book.close(session, new, "household_formed", step=step)
    return await answer(session, caller, grant, new)


async def change_household_head(
    session: AsyncSession, *, caller: Caller, grant: Grant, number: str, body: HeadIn
) -> HouseholdDetailOut:
    """Make another member the head, and restate everybody's relation to them.

    Raises:
        FieldGroupNotCovered, HouseholdNotFound, HouseholdDissolved, MemberNotFound, RelationsIncomplete,
        HouseholdDatesInvalid.
    """
    grant.require_field_groups(GROUPS)
    hand = await _taken(session, caller, grant, number)
    people = [
        hand.member(await persons.current_number(session, m.personal_id)) for m in _in_order(body.members)
    ]
    if {p.personal_id for p in people} != set(hand.members):
        raise RelationsIncomplete(f"{len(hand.members)} members, {len(people)} relations.")
    book.check_day(body.on, people)
    step = _step(caller, body)
    await _place_all(
        session, hand.household, people, body.members, step=step, cause=MembershipEnd.RELATION_CHANGED
    )
    await book.close(
        session, hand.household, "household_head_changed", step=step, state=HouseholdState.ACTIVE.value
    )
    return await answer(session, caller, grant, hand.household)


async def _taken(session: AsyncSession, caller: Caller, grant: Grant, number: str) -> InHand:
    """Return a household within the agreement's scope; a refusal from here on tells of its members."""
    hand = await book.take(session, number)
    require_scope(grant, hand.household)
    found(session, caller, grant=grant, subjects=hand.members, field_groups=GROUPS)
    return hand


async def leave_by_death(session: AsyncSession, *, personal_id: str, step: Step) -> None:
    """Take a person who died out of their household, and find another head where that is sure.

    One other member becomes the head; several agree among themselves, so the household waits for the police.
    """
    seen = await persons.find(session, personal_id)
    if seen is None or seen.household_number is None:
        return
    hand = await book.take(session, seen.household_number)
    person = hand.members.get(seen.personal_id)
    if person is None:
        return
    headed = person is hand.head
    await book.place(session, hand.household, person, None, step=step, cause=MembershipEnd.DEATH)
    del hand.members[person.personal_id]
    values: dict[str, object] = {}
    if not hand.members:
        values = {"state": HouseholdState.DISSOLVED.value, "dissolved_on": step.on}
    elif headed and len(hand.members) == 1:
        (only,) = hand.members.values()
        await book.place(
            session,
            hand.household,
            only,
            RelationToHead.HEAD,
            step=step,
            cause=MembershipEnd.RELATION_CHANGED,
        )
    elif headed:
        values = {"state": HouseholdState.HEAD_NEEDED.value}
    await book.close(session, hand.household, "household_left", step=step, **values)
