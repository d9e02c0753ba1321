"""A holder gives a consent at the citizen door, sees it, and withdraws it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
URL = "/identity/v1/me/consents"
Headers = dict[str, str]
Emitted = Callable[[], Awaitable[list[dict[str, Any]]]]


def wanted(**changes: Any) -> dict[str, Any]:
    return {
        "agency": "B01",
        "purpose": "CREDIT_INSTITUTION_KYC",
        "field_groups": ["birth_name", "birth_date"],
        "valid_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
    } | changes


@pytest.fixture
async def holder(open_account: Any, as_citizen: Callable[..., Headers]) -> Headers:
    account = (await open_account()).json()
    return as_citizen(UUID(account["account_id"]))


async def announced(emitted: Emitted) -> list[dict[str, Any]]:
    return [e["data"] for e in await emitted() if e["type"] == "identity.consent-changed.v1"]


class TestGiveConsent:
    async def test_it_is_announced_with_the_number_that_services_know(
        self, client: httpx.AsyncClient, holder: Headers, emitted: Emitted
    ) -> None:
        reply = await client.post(URL, json=wanted(), headers=holder)
        assert reply.status_code == 201, reply.text
        assert reply.json()["in_force"] is True
        (told,) = await announced(emitted)
        assert (told["personal_id"], told["agency"]) == ("079190000017", "B01")
        assert (told["field_groups"], told["withdrawn_at"]) == (["birth_date", "birth_name"], None)
        assert "personal_id" not in reply.json()

    async def test_one_key_gives_one_consent(
        self, client: httpx.AsyncClient, holder: Headers, emitted: Emitted
    ) -> None:
        body, keyed = wanted(), holder | {"Idempotency-Key": "k-1"}
        ids = {(await client.post(URL, json=body, headers=keyed)).json()["id"] for _ in range(2)}
        assert (len(ids), len(await announced(emitted))) == (1, 1)

    async def test_one_key_sent_several_times_at_once_gives_one_consent(
        self, client: httpx.AsyncClient, holder: Headers, emitted: Emitted
    ) -> None:
        body, keyed = wanted(), holder | {"Idempotency-Key": "k-1"}
        replies = await asyncio.gather(*(client.post(URL, json=body, headers=keyed) for _ in range(4)))
        given = {reply.json()["id"] for reply in replies if reply.status_code == 201}
        assert {reply.status_code for reply in replies} <= {201, 409}
        assert (len(given), len(await announced(emitted))) == (1, 1)

    @pytest.mark.parametrize(
        "change",
        [
            {"valid_until": "2020-01-01T00:00:00Z"},
            {"valid_until": "2099-01-01T00:00:00Z"},
            {"field_groups": []},
            {"purpose": "CURIOSITY"},
            {"agency": "everybody"},
        ],
    )
    async def test_nobody_consents_for_ever_or_to_everything(
        self, client: httpx.AsyncClient, holder: Headers, change: dict[str, Any]
    ) -> None:
        assert (await client.post(URL, json=wanted(**change), headers=holder)).status_code == 422

    async def test_a_locked_account_gives_none(
        self, client: httpx.AsyncClient, holder: Headers, session: AsyncSession
    ) -> None:
        await session.execute(text("UPDATE accounts SET state = 'LOCKED'"))
        await session.commit()
        assert (await client.post(URL, json=wanted(), headers=holder)).status_code == 409

    async def test_a_weak_log_in_does_not_do(
        self, client: httpx.AsyncClient, as_citizen: Callable[..., Headers]
    ) -> None:
        reply = await client.post(URL, json=wanted(), headers=as_citizen(uuid4(), acr=1))
        assert reply.json()["code"] == "acr-insufficient"


class TestWithdrawConsent:
    async def test_it_ends_for_good_and_is_announced_once(
        self, client: httpx.AsyncClient, holder: Headers, emitted: Emitted
    ) -> None:
        given = (await client.post(URL, json=wanted(), headers=holder)).json()
        for _ in range(2):
            reply = await client.post(f"{URL}/{given['id']}/withdraw", headers=holder)
            assert (reply.status_code, reply.json()["in_force"]) == (200, False)
        before, after = await announced(emitted)
        assert before["consent_id"] == after["consent_id"] == given["id"]
        assert after["withdrawn_at"] is not None
        (item,) = (await client.get(URL, headers=holder)).json()["items"]
        assert (item["id"], item["in_force"]) == (given["id"], False)

    async def test_withdrawn_several_times_at_once_while_another_is_given(
        self, client: httpx.AsyncClient, holder: Headers, emitted: Emitted
    ) -> None:
        given = (await client.post(URL, json=wanted(), headers=holder)).json()
        url = f"{URL}/{given['id']}/withdraw"
        withdrawals = [client.post(url, headers=holder) for _ in range(4)]
        *ended, other = await asyncio.gather(*withdrawals, client.post(URL, json=wanted(), headers=holder))
        assert {(r.status_code, r.json()["withdrawn_at"]) for r in ended} == {
            (200, ended[0].json()["withdrawn_at"])
        }
        assert other.json()["in_force"] is True
        told = await announced(emitted)
        assert [one["withdrawn_at"] is not None for one in told if one["consent_id"] == given["id"]] == [
            False,
            True,
        ]
        assert [one["withdrawn_at"] for one in told if one["consent_id"] != given["id"]] == [None]

    async def test_another_s_consent_is_not_there(
        self,
        client: httpx.AsyncClient,
        holder: Headers,
        as_citizen: Callable[..., Headers],
        open_account: Any,
    ) -> None:
        given = (await client.post(URL, json=wanted(), headers=holder)).json()
        other = await open_account(personal_id="079088000023", birth_date="1988-01-02")
        stranger = as_citizen(UUID(other.json()["account_id"]))
        reply = await client.post(f"{URL}/{given['id']}/withdraw", headers=stranger)
        assert (reply.status_code, reply.json()["code"]) == (404, "consent-not-found")
        assert (await client.get(URL, headers=stranger)).json()["items"] == []
