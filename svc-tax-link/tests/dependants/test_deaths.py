"""A death that is taken back: the tax number lives, and claims count again what nobody else counts."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonDeathCancelled, PersonDeceased, PersonsMerged, PersonsSeparated
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from svc_tax_link.taxpayers import reopening

pytestmark = pytest.mark.integration

CHILD, MOTHER, FATHER, OTHER = "079226000017", "079195000021", "079093000034", "079195000047"
TWIN = "079226000025"
RECORD, OTHER_RECORD = new_id(), new_id()
DIED = date(2027, 2, 3)
Make = Callable[..., Any]


def died(version: int, number: str = MOTHER, on: date = DIED, record: UUID = RECORD) -> PersonDeceased:
    return PersonDeceased(person_id=record, personal_id=number, version=version, died_on=on)


def back(version: int, number: str = MOTHER, record: UUID = RECORD) -> PersonDeathCancelled:
    return PersonDeathCancelled(person_id=record, personal_id=number, version=version, died_on=DIED)


def merger(survivor: str, duplicate: str) -> PersonsMerged:
    return PersonsMerged(
        person_id=OTHER_RECORD,
        personal_id=survivor,
        version=3,
        merged_person_id=RECORD,
        merged_personal_id=duplicate,
    )


@pytest.fixture
def state(session: AsyncSession) -> Make:
    """Return states of taxpayers, of dependants, and the claims with the last month."""

    async def read() -> tuple[dict[str, str], dict[str, str], list[tuple[str, date]]]:
        taxpayers = await session.execute(text("SELECT personal_id, state FROM taxpayers"))
        dependants = await session.execute(text("SELECT personal_id, state FROM dependants"))
        claims = await session.execute(text("SELECT state, to_month FROM claims ORDER BY from_month"))
        found = (
            {row.personal_id: row.state for row in taxpayers},
            {row.personal_id: row.state for row in dependants},
            [(row.state, row.to_month) for row in claims],
        )
        await session.rollback()
        return found

    return read


COUNTS = ("ACTIVE", date(2044, 11, 1))
"""Until the child is of age."""
LIVES = ({MOTHER: "MATCHED"}, {CHILD: "CLAIMED"}, [COUNTS])


class TestTakenBack:
    async def test_a_payer_counts_the_child_again(
        self, register: Make, deliver: Make, birth: Make, state: Make, emitted: Make
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        await deliver(died(2))
        stopped = ({MOTHER: "DECEASED_CLOSE"}, {CHILD: "UNCLAIMED"}, [("ACTIVE", date(2027, 2, 1))])
        assert await state() == stopped
        await deliver(back(3))
        assert await state() == LIVES
        told = [e["data"] for e in await emitted() if e["type"] == "tax.dependant-registered.v1"]
        assert (told[-1]["taxpayer_personal_id"], told[-1]["from_month"]) == (MOTHER, "2027-03")
        (opened,) = [e["data"] for e in await emitted() if e["type"] == "tax.taxpayer-reopened.v1"]
        assert (opened["personal_id"], opened["by_office"]) == (MOTHER, False)

    async def test_a_child_is_counted_again(
        self, register: Make, deliver: Make, birth: Make, state: Make
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        await deliver(died(2, CHILD))
        assert (await state())[1] == {CHILD: "CLOSED"}
        await deliver(back(3, CHILD))
        assert await state() == LIVES

    async def test_of_a_child_whom_nobody_counts_it_is_told_that_somebody_may_again(
        self, register: Make, deliver: Make, birth: Make, state: Make, emitted: Make
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        await deliver(died(2, CHILD))
        # Who counted the child is dead by now, too.
        await deliver(died(2, MOTHER, record=OTHER_RECORD))
        known = len(await emitted())
        await deliver(back(3, CHILD))
        assert (await state())[1] == {CHILD: "UNCLAIMED"}
        (told,) = (await emitted())[known:]
        assert (told["type"], told["data"]["taxpayer_personal_id"], told["data"]["from_month"]) == (
            "tax.dependant-registered.v1",
            None,
            "2027-03",
        )

    async def test_months_that_the_other_parent_counts_by_now_stay_theirs(
        self, register: Make, deliver: Make, birth: Make, state: Make, client: Any, office: Any
    ) -> None:
        for parent in (MOTHER, FATHER):
            await register(parent)
        await deliver(birth(father=FATHER))
        payer = MOTHER if (await self._payer(state, client, office)) == MOTHER else FATHER
        other = FATHER if payer == MOTHER else MOTHER
        await deliver(died(2, payer))
        claim = {"dependant_personal_id": CHILD, "from_month": "2027-03"}
        claimed = await client.post(f"/tax/v1/taxpayers/{other}/dependants", json=claim, headers=office)
        assert claimed.status_code in {200, 201}, claimed.text
        await deliver(back(3, payer))
        taxpayers, dependants, claims = await state()
        assert taxpayers == {MOTHER: "MATCHED", FATHER: "MATCHED"}
        assert dependants == {CHILD: "CLAIMED"}
        assert claims == [("ACTIVE", date(2027, 2, 1)), COUNTS]

    @staticmethod
    async def _payer(state: Make, client: Any, office: Any) -> str:
        del state
        reply = await client.get(f"/tax/v1/taxpayers/{MOTHER}/dependants", headers=office)
        return MOTHER if reply.json()["items"] else FATHER

    async def test_the_end_told_first_takes_the_death_back_that_comes_later(
        self, register: Make, deliver: Make, birth: Make, state: Make
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        await deliver(back(3))
        await deliver(died(2))
        assert await state() == LIVES

    async def test_of_several_words_the_latest_counts(
        self, register: Make, deliver: Make, birth: Make, state: Make
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        for told in (died(2), died(4, on=date(2027, 5, 9)), back(3)):
            await deliver(told)
        stopped = ({MOTHER: "DECEASED_CLOSE"}, {CHILD: "UNCLAIMED"}, [("ACTIVE", date(2027, 5, 1))])
        assert await state() == stopped
        await deliver(back(5))
        assert await state() == LIVES

    async def test_who_registers_after_all_is_a_living_taxpayer(
        self, register: Make, deliver: Make, state: Make
    ) -> None:
        await deliver(died(2))
        await deliver(back(3))
        assert (await register(MOTHER))["state"] == "MATCHED"

    async def test_where_the_rule_says_so_the_office_registers_again(
        self, register: Make, deliver: Make, state: Make, emitted: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rule = {"in_force_from": "2020-07-01", "in_force_to": None, "tax_number": "OFFICE"}
        monkeypatch.setattr(reopening, "_rules", lambda: (rule,))
        await register(MOTHER)
        await deliver(died(2))
        await deliver(back(3))
        assert (await state())[0] == {MOTHER: "PENDING_ID_UPDATE"}
        assert (await emitted())[-1]["data"]["by_office"] is True
        assert (await register(MOTHER))["state"] == "MATCHED"

    async def test_after_a_merger_the_death_of_the_one_stays_with_that_one(
        self, people: Any, register: Make, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[OTHER] = people[MOTHER]
        await register(MOTHER)
        await deliver(birth())
        merged = PersonsMerged(
            person_id=OTHER_RECORD,
            personal_id=OTHER,
            version=2,
            merged_person_id=RECORD,
            merged_personal_id=MOTHER,
        )
        await deliver(merged)
        await deliver(died(3, OTHER, record=OTHER_RECORD))
        assert (await state())[0] == {OTHER: "DECEASED_CLOSE"}
        parted = PersonsSeparated(
            person_id=OTHER_RECORD,
            personal_id=OTHER,
            version=4,
            separated_person_id=RECORD,
            separated_personal_id=MOTHER,
            undone=True,
        )
        await deliver(parted)
        # The other one is dead; she never was.
        assert await state() == LIVES

    async def test_of_two_dead_who_are_one_by_now_the_last_word_opens_the_taxpayer(
        self, people: Any, register: Make, deliver: Make, state: Make
    ) -> None:
        people[OTHER] = people[MOTHER]
        await register(MOTHER)
        await register(OTHER)
        await deliver(died(2))
        await deliver(died(2, OTHER, record=OTHER_RECORD))
        await deliver(merger(OTHER, MOTHER))
        assert (await state())[0][OTHER] == "DECEASED_CLOSE"
        # Both deaths were cancelled: of the first end nothing is told, for the other one stood.
        await deliver(back(5, OTHER, record=OTHER_RECORD))
        assert (await state())[0][OTHER] == "MATCHED"
        # Nor does who comes again, or the child that is told of later, find the first death.
        assert (await register(OTHER))["state"] == "MATCHED"

    async def test_a_child_whose_two_deaths_were_taken_back_before_the_birth_is_told_is_counted(
        self, people: Any, register: Make, deliver: Make, birth: Make, state: Make
    ) -> None:
        people[TWIN] = people[CHILD]
        await register(MOTHER)
        await deliver(died(2, CHILD))
        await deliver(died(2, TWIN, record=OTHER_RECORD))
        await deliver(merger(TWIN, CHILD))
        await deliver(back(5, TWIN, record=OTHER_RECORD))
        await deliver(birth())
        assert (await state())[1] == {TWIN: "CLAIMED"}

    async def test_a_death_from_before_a_merger_that_is_told_after_its_end_closes_nobody(
        self, people: Any, register: Make, deliver: Make, state: Make
    ) -> None:
        people[OTHER] = people[MOTHER]
        await register(MOTHER)
        await deliver(merger(OTHER, MOTHER))
        await deliver(back(5, OTHER, record=OTHER_RECORD))
        await deliver(died(2))
        assert (await state())[0] == {OTHER: "MATCHED"}

    async def test_when_the_merger_is_undone_the_death_that_stands_is_that_of_its_own_number(
        self, people: Any, register: Make, deliver: Make, state: Make
    ) -> None:
        people[OTHER] = people[MOTHER]
        for number in (MOTHER, OTHER):
            await register(number)
        await deliver(died(2))
        await deliver(died(2, OTHER, record=OTHER_RECORD))
        await deliver(merger(OTHER, MOTHER))
        # Of the two deaths one was cancelled: the record lives, and dies at once of the other one.
        await deliver(back(4, OTHER, record=OTHER_RECORD))
        await deliver(died(5, OTHER, record=OTHER_RECORD))
        assert (await register(OTHER))["state"] == "DECEASED_CLOSE"
        parted = PersonsSeparated(
            person_id=OTHER_RECORD,
            personal_id=OTHER,
            version=6,
            separated_person_id=RECORD,
            separated_personal_id=MOTHER,
            undone=True,
        )
        await deliver(parted)
        await deliver(back(7, OTHER, record=OTHER_RECORD))
        assert (await state())[0] == {MOTHER: "DECEASED_CLOSE", OTHER: "MATCHED"}
        assert (await register(MOTHER))["state"] == "DECEASED_CLOSE"
