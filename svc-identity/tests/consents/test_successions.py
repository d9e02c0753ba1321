"""A number leads to another one: what its holder consents to is in force under both till it is withdrawn."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonalIdCancelled
from ndx_testing.mergers import merged, separated
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
URL = "/identity/v1/me/consents"
OLD, NEW, NEWEST = "079190000017", "079190000555", "079190000777"
FIRST, SECOND = new_id(), new_id()
Headers = dict[str, str]
Make = Callable[..., Any]
Holders = dict[str, Headers]


@pytest.fixture
async def holders(open_account: Make, people: dict[str, Any], as_citizen: Make) -> Holders:
    """One woman's accounts under three numbers, of whom only the first has consented."""
    made = {}
    for number in (OLD, NEW, NEWEST):
        people[number] = people[OLD]
        account = (await open_account(personal_id=number)).json()
        made[number] = as_citizen(UUID(account["account_id"]))
    return made


@pytest.fixture
async def given(client: httpx.AsyncClient, holders: Holders) -> str:
    wanted = {
        "agency": "B01",
        "purpose": "CREDIT_INSTITUTION_KYC",
        "field_groups": ["birth_name", "birth_date"],
        "valid_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
    }
    reply = await client.post(URL, json=wanted, headers=holders[OLD])
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


@pytest.fixture
def in_force(emitted: Callable[[], Awaitable[list[dict[str, Any]]]]) -> Make:
    """Return under which numbers the services that enforce consents have one that is not withdrawn."""

    async def read() -> list[str]:
        told = [e["data"] for e in await emitted() if e["type"] == "identity.consent-changed.v1"]
        last = {consent["consent_id"]: consent for consent in told}
        return sorted(c["personal_id"] for c in last.values() if c["withdrawn_at"] is None)

    return read


async def listed(client: httpx.AsyncClient, holder: Headers) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(URL, headers=holder)).json()["items"]
    return items


class TestConsentsFollow:
    async def test_it_is_in_force_and_listed_under_the_number_that_stands_on_the_same_terms(
        self, client: httpx.AsyncClient, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        (before,) = await listed(client, holders[OLD])
        await deliver(merged(NEW, OLD, record=FIRST))
        assert await in_force() == [OLD, NEW]
        (after,) = await listed(client, holders[NEW])
        assert {k: v for k, v in after.items() if k != "id"} == {k: v for k, v in before.items() if k != "id"}

    async def test_it_stays_with_the_person_whose_number_was_cancelled(
        self, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=OLD, superseded_by=NEW))
        assert await in_force() == [OLD, NEW]

    async def test_an_undone_merger_leaves_it_with_the_one_who_gave_it(
        self, client: httpx.AsyncClient, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        await deliver(merged(NEW, OLD, record=FIRST))
        await deliver(separated(NEW, OLD, record=FIRST))
        assert await in_force() == [OLD]
        assert [c["in_force"] for c in await listed(client, holders[NEW])] == [False]
        assert [c["in_force"] for c in await listed(client, holders[OLD])] == [True]

    async def test_it_follows_on_and_an_undone_merger_ends_it_wherever_it_led(
        self, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        await deliver(merged(NEW, OLD, record=FIRST))
        await deliver(merged(NEWEST, NEW, record=SECOND))
        assert await in_force() == [OLD, NEW, NEWEST]
        await deliver(separated(NEWEST, OLD, record=SECOND))
        assert await in_force() == [OLD]

    async def test_a_merger_told_again_or_after_its_end_changes_nothing(
        self, holders: Holders, given: str, deliver: Make, in_force: Make, session: AsyncSession
    ) -> None:
        await deliver(merged(NEW, OLD, record=FIRST))
        await deliver(merged(NEW, OLD, record=FIRST))
        assert await in_force() == [OLD, NEW]
        await deliver(separated(NEW, OLD, record=FIRST))
        await deliver(merged(NEW, OLD, record=FIRST))
        assert await in_force() == [OLD]
        states = await session.execute(text("SELECT DISTINCT state FROM accounts"))
        assert list(states.scalars()) == ["ACTIVE"]


class TestWithdraw:
    async def test_whoever_withdraws_one_withdraws_it_under_every_number_for_good(
        self, client: httpx.AsyncClient, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        await deliver(merged(NEW, OLD, record=FIRST))
        await deliver(merged(NEWEST, NEW, record=SECOND))
        (consent,) = await listed(client, holders[NEWEST])
        reply = await client.post(f"{URL}/{consent['id']}/withdraw", headers=holders[NEWEST])
        assert (reply.status_code, reply.json()["in_force"]) == (200, False)
        assert await in_force() == []
        await deliver(separated(NEWEST, NEW, record=SECOND))
        assert await in_force() == []

    async def test_one_that_was_withdrawn_before_does_not_follow(
        self, client: httpx.AsyncClient, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        await client.post(f"{URL}/{given}/withdraw", headers=holders[OLD])
        await deliver(merged(NEW, OLD, record=FIRST))
        assert await in_force() == []
        assert await listed(client, holders[NEW]) == []

    async def test_nobody_withdraws_that_of_another_number(
        self, client: httpx.AsyncClient, holders: Holders, given: str, deliver: Make, in_force: Make
    ) -> None:
        reply = await client.post(f"{URL}/{given}/withdraw", headers=holders[NEW])
        assert (reply.status_code, await in_force()) == (404, [OLD])
