"""A number is cancelled, records are merged, a merger is undone: card and entitlement follow the person."""

from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonalIdCancelled
from ndx_testing.mergers import merged, separated
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

CHILD, OTHER = "079226000017", "079226000025"
CARD = "TE1790079226001"
RECORD = new_id()
"""The surviving record, by which mergers and their ends are compared."""
Make = Callable[..., Any]


@pytest.fixture
def held(client: httpx.AsyncClient, hospital: dict[str, str]) -> Make:
    """Return the ids of the entitlements that a hospital reads under a number; None: nobody there."""

    async def read(number: str) -> list[str] | None:
        reply = await client.get(f"/insurance/v1/participants/{number}/entitlements", headers=hospital)
        if reply.status_code == 404:
            return None
        return [e["entitlement_id"] for e in reply.json()["items"]]

    return read


@pytest.fixture
def two(people: dict[str, dict[str, Any]]) -> None:
    people[OTHER] = {"name": ("Nguyễn", "Minh", "Hoà"), "birth_date": "2026-11-20", "sex": "FEMALE"}


async def causes(session: AsyncSession) -> dict[str, str]:
    """Return why which entitlements have ended."""
    ended = "SELECT id::text, end_cause FROM entitlements WHERE ended_on IS NOT NULL"
    found = {row.id: row.end_cause for row in await session.execute(text(ended))}
    await session.rollback()
    return found


class TestCancelledNumber:
    async def test_the_entitlement_is_read_under_the_new_number_and_the_old_one(
        self, two: None, birth: Make, deliver: Make, held: Make
    ) -> None:
        await deliver(birth())
        before = await held(CHILD)
        cancelled = PersonalIdCancelled(person_id=new_id(), old_personal_id=CHILD, superseded_by=OTHER)
        await deliver(cancelled)
        assert await held(OTHER) == await held(CHILD) == before
        assert before


class TestMergedRecords:
    async def test_the_entitlement_follows_the_surviving_number_and_comes_back(
        self, two: None, birth: Make, deliver: Make, held: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        before = await held(CHILD)
        assert before
        await deliver(merged(OTHER, CHILD, record=RECORD))
        assert await held(OTHER) == before
        name = await session.scalar(text("SELECT name FROM participants"))
        assert name == "Nguyễn Minh Hoà"
        await session.rollback()
        await deliver(separated(OTHER, CHILD, record=RECORD))
        assert await held(CHILD) == before
        assert await held(OTHER) is None

    async def test_two_participants_are_one_with_one_entitlement_as_a_child(
        self, two: None, birth: Make, deliver: Make, held: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        await deliver(birth(OTHER))
        mine, theirs = await held(CHILD), await held(OTHER)
        for number, code in ((CHILD, CARD), (OTHER, "TE1790079226002")):
            await session.execute(
                text(
                    "INSERT INTO participant_codes (code, kind, participant_id, state)"
                    " SELECT :code, 'CARD_CODE', id, 'ACTIVE' FROM participants WHERE personal_id = :n"
                ),
                {"code": code, "n": number},
            )
        await session.execute(
            text(
                "INSERT INTO entitlements (id, participant_id, kind, participant_group, benefit_level,"
                " valid_from, rule) SELECT uuidv7(), id, 'EMPLOYEE', 'DN', 4, '2026-01-01', 't'"
                " FROM participants"
                " WHERE personal_id = :n"
            ),
            {"n": CHILD},
        )
        await session.commit()
        both = await held(CHILD)
        extra = next(e for e in both if e not in mine)
        await deliver(merged(OTHER, CHILD, record=RECORD))
        assert set(await held(OTHER)) == {*theirs, extra}
        assert await held(CHILD) == await held(OTHER)
        keys = "SELECT p.personal_id FROM participant_codes c JOIN participants p ON p.id = c.participant_id"
        assert set(await session.scalars(text(keys))) == {OTHER}
        await session.rollback()
        await deliver(separated(OTHER, CHILD, record=RECORD))
        assert set(await held(CHILD)) == {*mine, extra}
        assert await held(OTHER) == theirs
        assert set(await session.scalars(text(keys))) == {CHILD, OTHER}

    async def test_a_death_told_under_the_merged_number_ends_what_follows_the_survivor(
        self, two: None, birth: Make, death: Make, deliver: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        await deliver(merged(OTHER, CHILD, record=RECORD))
        await deliver(death(date(2026, 11, 26), CHILD))
        ended = await session.execute(text("SELECT ended_on FROM entitlements"))
        assert [row[0] for row in ended] == [date(2026, 11, 26)]

    async def test_the_second_entitlement_as_a_child_ends_and_runs_again_when_that_is_undone(
        self, two: None, birth: Make, deliver: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        await deliver(birth(OTHER))
        mine = next(e["data"]["entitlement_id"] for e in await emitted() if e["data"]["personal_id"] == CHILD)
        started = len(await emitted())
        await deliver(merged(OTHER, CHILD, record=RECORD))
        assert await causes(session) == {mine: "PERSONS_MERGED"}
        (told,) = (await emitted())[started:]
        assert told["type"] == "insurance.entitlement-ended.v1"
        assert told["data"]["entitlement_id"] == mine
        assert (told["data"]["personal_id"], told["data"]["cause"]) == (OTHER, "PERSONS_MERGED")
        audited = "SELECT entity_id FROM audit_entries WHERE action = :action"
        assert list(await session.scalars(text(audited), {"action": "entitlement_ended"})) == [mine]
        await session.rollback()
        await deliver(separated(OTHER, CHILD, record=RECORD))
        assert await causes(session) == {}
        again = (await emitted())[started + 1]
        assert (again["type"], again["data"]["personal_id"]) == ("insurance.entitlement-opened.v1", CHILD)
        assert list(await session.scalars(text(audited), {"action": "entitlement_resumed"})) == [mine]

    async def test_a_death_told_of_the_duplicate_meanwhile_stays_when_the_merger_is_undone(
        self, two: None, birth: Make, death: Make, deliver: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        await deliver(birth(OTHER))
        await deliver(merged(OTHER, CHILD, record=RECORD))
        await deliver(death(date(2026, 11, 26), CHILD))
        await deliver(separated(OTHER, CHILD, record=RECORD))
        assert list((await causes(session)).values()) == ["DEATH", "DEATH"]

    async def test_a_merger_told_again_or_after_its_end_changes_nothing(
        self, two: None, birth: Make, deliver: Make, held: Make, emitted: Make
    ) -> None:
        await deliver(birth())
        await deliver(birth(OTHER))
        before = await held(CHILD), await held(OTHER)
        await deliver(separated(OTHER, CHILD, record=RECORD))
        await deliver(merged(OTHER, CHILD, record=RECORD))
        assert (await held(CHILD), await held(OTHER)) == before
        assert [e["type"].split(".")[1] for e in await emitted()] == ["entitlement-opened"] * 2

    async def test_a_merger_told_after_the_next_one_comes_back_to_the_number_between(
        self, two: None, people: Any, birth: Make, deliver: Make, held: Make
    ) -> None:
        between, record = "079226000033", new_id()
        people[between] = {"name": ("Nguyễn", "Minh", "Hoà"), "birth_date": "2026-11-20", "sex": "FEMALE"}
        await deliver(birth())
        await deliver(birth(OTHER))
        mine, theirs = await held(CHILD), await held(OTHER)
        assert mine
        assert theirs
        await deliver(merged(OTHER, between, record=RECORD))
        await deliver(merged(between, CHILD, record=record))
        assert await held(CHILD) == await held(between) == await held(OTHER)
        assert set(await held(OTHER)) >= set(theirs)
        await deliver(separated(OTHER, between, record=RECORD))
        assert await held(OTHER) == theirs
        assert await held(between) == await held(CHILD) == mine
        await deliver(separated(between, CHILD, record=record))
        assert await held(CHILD) == mine
        assert await held(between) is None

    async def test_a_birth_told_after_the_merger_is_that_of_the_number_that_stands(
        self, two: None, people: Any, birth: Make, deliver: Make, held: Make
    ) -> None:
        del people[CHILD]  # the population database answers for the number that stands
        await deliver(merged(OTHER, CHILD, record=RECORD))
        await deliver(birth())
        await deliver(birth(OTHER))
        assert len(await held(OTHER)) == 1
        assert await held(CHILD) == await held(OTHER)
