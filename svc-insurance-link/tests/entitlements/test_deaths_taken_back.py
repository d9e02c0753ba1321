"""A death that is taken back: the entitlement runs again, in whatever order it is told."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import (
    PersonalIdCancelled,
    PersonDeathCancelled,
    PersonDeceased,
    PersonsMerged,
    PersonsSeparated,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

CHILD, OTHER = "079226000017", "079226000025"
RECORD, OTHER_RECORD = new_id(), new_id()
DIED = date(2026, 11, 23)
Make = Callable[..., Any]


def died(version: int, on: date = DIED, number: str = CHILD, record: UUID = RECORD) -> PersonDeceased:
    return PersonDeceased(person_id=record, personal_id=number, version=version, died_on=on)


def back(version: int, number: str = CHILD, record: UUID = RECORD) -> PersonDeathCancelled:
    return PersonDeathCancelled(person_id=record, personal_id=number, version=version, died_on=DIED)


def merger() -> PersonsMerged:
    return PersonsMerged(
        person_id=OTHER_RECORD,
        personal_id=OTHER,
        version=3,
        merged_person_id=RECORD,
        merged_personal_id=CHILD,
    )


@pytest.fixture
def state(session: AsyncSession) -> Make:
    async def read(number: str = CHILD) -> tuple[Any, ...]:
        row = await session.execute(
            text(
                "SELECT e.ended_on, e.end_cause, p.died_on FROM entitlements e"
                " JOIN participants p ON p.id = e.participant_id WHERE p.personal_id = :number"
            ),
            {"number": number},
        )
        await session.rollback()
        return tuple(row.one())

    return read


RUNS = (None, None, None)
ENDED = (DIED, "DEATH", DIED)


class TestTakenBack:
    async def test_what_ended_runs_again_and_everybody_hears_of_it(
        self, people: Any, deliver: Make, birth: Make, emitted: Make, state: Make
    ) -> None:
        await deliver(birth())
        await deliver(died(2))
        assert await state() == ENDED
        await deliver(back(3))
        assert await state() == RUNS
        types = [e["type"].split(".")[1] for e in await emitted()]
        assert types == ["entitlement-opened", "entitlement-ended", "entitlement-opened"]

    async def test_corrections_of_the_time_between_are_followed(
        self, people: Any, deliver: Make, birth: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        await deliver(died(2))
        people[CHILD]["birth_date"] = "2026-11-19"
        await deliver(back(3))
        assert await session.scalar(text("SELECT valid_from FROM entitlements")) == date(2026, 11, 19)

    async def test_the_end_told_first_takes_the_death_back_that_comes_later(
        self, people: Any, deliver: Make, birth: Make, state: Make, emitted: Make
    ) -> None:
        await deliver(birth())
        await deliver(back(3))
        await deliver(died(2))
        assert await state() == RUNS
        assert len(await emitted()) == 1

    async def test_both_before_the_birth_leave_a_running_entitlement(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        await deliver(died(2))
        await deliver(back(3))
        await deliver(birth())
        assert await state() == RUNS

    async def test_of_several_words_the_latest_counts_in_any_order(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        await deliver(birth())
        for told in (died(4, date(2026, 11, 25)), back(3), died(2)):
            await deliver(told)
        assert await state() == (date(2026, 11, 25), "DEATH", date(2026, 11, 25))

    async def test_a_death_on_another_day_moves_the_end(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        await deliver(birth())
        await deliver(died(2))
        await deliver(died(3, date(2026, 11, 22)))
        assert await state() == (date(2026, 11, 22), "DEATH", date(2026, 11, 22))

    async def test_a_late_death_under_a_number_that_was_cancelled_since_changes_nothing(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(birth())
        await deliver(PersonalIdCancelled(person_id=RECORD, old_personal_id=CHILD, superseded_by=OTHER))
        await deliver(back(5, number=OTHER))
        await deliver(died(3))
        assert await state(OTHER) == RUNS

    @pytest.mark.parametrize("late", [False, True])
    async def test_a_death_of_the_one_does_not_stay_with_the_other_after_a_merger(
        self, people: Any, deliver: Make, birth: Make, state: Make, late: bool
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(birth())
        await deliver(
            PersonsMerged(
                person_id=OTHER_RECORD,
                personal_id=OTHER,
                version=2,
                merged_person_id=RECORD,
                merged_personal_id=CHILD,
            )
        )
        # Registered for the child's own number, it is told of the record that stands.
        await deliver(died(3, number=OTHER, record=OTHER_RECORD))
        assert (await state(OTHER))[1] == "DEATH"
        parted = PersonsSeparated(
            person_id=OTHER_RECORD,
            personal_id=OTHER,
            version=4,
            separated_person_id=RECORD,
            separated_personal_id=CHILD,
            undone=True,
        )
        told = [parted, back(5, number=OTHER, record=OTHER_RECORD), died(7)]
        for each in told[::-1] if late else told:
            await deliver(each)
        assert await state() == ENDED

    async def test_of_two_dead_who_are_one_by_now_the_last_word_lets_the_entitlement_run(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(birth())
        await deliver(died(2))
        await deliver(died(2, number=OTHER, record=OTHER_RECORD))
        await deliver(merger())
        assert (await state(OTHER))[1] == "DEATH"
        await deliver(back(5, number=OTHER, record=OTHER_RECORD))
        assert await state(OTHER) == RUNS

    @pytest.mark.parametrize("cancelled", [True, False])
    async def test_deaths_under_both_numbers_count_for_a_birth_told_later_unless_both_are_taken_back(
        self, people: Any, deliver: Make, birth: Make, state: Make, cancelled: bool
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(died(2))
        await deliver(died(2, number=OTHER, record=OTHER_RECORD))
        await deliver(merger())
        if cancelled:
            await deliver(back(5, number=OTHER, record=OTHER_RECORD))
        await deliver(birth())
        assert await state(OTHER) == (RUNS if cancelled else ENDED)

    async def test_a_death_under_a_former_number_is_known_when_the_birth_is_told(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(died(2))
        await deliver(PersonalIdCancelled(person_id=RECORD, old_personal_id=CHILD, superseded_by=OTHER))
        await deliver(birth(OTHER))
        assert await state(OTHER) == ENDED

    async def test_a_death_from_before_a_merger_that_is_told_after_its_end_ends_nothing(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(birth())
        await deliver(merger())
        await deliver(back(5, number=OTHER, record=OTHER_RECORD))
        await deliver(died(2))
        assert await state(OTHER) == RUNS

    async def test_a_word_from_before_the_merger_lets_nobody_live_whose_other_number_died(
        self, people: Any, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[OTHER] = people[CHILD]
        await deliver(birth())
        await deliver(died(2))
        await deliver(merger())
        await deliver(back(2, number=OTHER, record=OTHER_RECORD))
        assert await state(OTHER) == ENDED
