"""The citizens' door of a real Envoy: tokens of the e-ID provider, their level, and what needs none."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from ndx_testing.bus import Bus, Tokens
from ndx_testing.envoy import until

ME = "/population/v1/me"
DISCLOSURES = "/population/v1/me/disclosures"
ACCOUNT = "0193f0c2-0000-7000-8000-000000000001"
DISCOVERY = "/auth/.well-known/openid-configuration"


async def get_with_keys(live: Bus, path: str, token: str, **further: Any) -> httpx.Response:
    """Ask until Envoy has the signing keys, which it fetches by itself after its start."""

    async def known() -> httpx.Response | None:
        async with live.citizen(token) as client:
            answer = await client.get(path, **further)
        return None if answer.status_code == 401 else answer

    found: httpx.Response = await until(known, what="the signing keys")
    return found


class TestToken:
    async def test_the_provider_learns_subject_and_level_from_the_token(self, live: Bus) -> None:
        forged = {"NDX-Citizen": "someone", "NDX-Acr": "4", "NDX-Agency": "G01", "NDX-Agreement": "DSA-1"}
        answer = await get_with_keys(live, ME, live.tokens.token(sub=ACCOUNT), headers=forged)
        headers = answer.json()["headers"]
        assert headers["ndx-citizen"] == ACCOUNT
        assert headers["ndx-acr"] == "2"
        assert not {"ndx-agency", "ndx-agreement", "ndx-system", "authorization"} & set(headers)

    @pytest.mark.parametrize(
        ("claims", "path", "status", "code"),
        [
            ({}, DISCLOSURES, 200, None),
            ({"acr": "1"}, ME, 200, None),
            ({"acr": "1"}, DISCLOSURES, 403, "acr-insufficient"),
            ({"acr": "x"}, ME, 403, "acr-insufficient"),
            ({"acr": None}, ME, 403, "acr-insufficient"),
            ({"exp": int(time.time()) - 120}, ME, 401, "token-invalid"),
            ({"aud": "somebody-else"}, ME, 401, "token-invalid"),
            ({"iss": "https://elsewhere.test"}, ME, 401, "token-invalid"),
        ],
    )
    async def test_claims(
        self, live: Bus, claims: dict[str, Any], path: str, status: int, code: str | None
    ) -> None:
        await get_with_keys(live, ME, live.tokens.token())
        live.provider.received.clear()
        async with live.citizen(live.tokens.token(**claims)) as client:
            answer = await client.get(path, headers={"NDX-Acr": "4"})
        assert (answer.status_code, answer.json().get("code")) == (status, code)
        if code:
            assert answer.headers["content-type"] == "application/problem+json"
            assert live.provider.received == []

    @pytest.mark.parametrize(
        ("claim", "seconds", "status"),
        [("exp", -10, 200), ("exp", -60, 401), ("nbf", 20, 200), ("nbf", 600, 401), ("iat", 20, 200)],
    )
    async def test_clocks_may_differ_by_half_a_minute(
        self, live: Bus, claim: str, seconds: int, status: int
    ) -> None:
        await get_with_keys(live, ME, live.tokens.token())
        token = live.tokens.token(**{claim: int(time.time()) + seconds})
        async with live.citizen(token) as client:
            answer = await client.get(ME)
        assert answer.status_code == status

    async def test_a_token_signed_by_another_key_is_refused(self, live: Bus) -> None:
        await get_with_keys(live, ME, live.tokens.token())
        async with live.citizen(Tokens().token()) as client:
            answer = await client.get(ME)
        assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")

    async def test_without_a_token(self, live: Bus) -> None:
        async with live.citizen() as client:
            answer = await client.get(ME)
        assert (answer.status_code, answer.json()["code"]) == (401, "token-missing")
        assert answer.headers["www-authenticate"].startswith("Bearer")

    async def test_one_account_cannot_take_the_door_from_others(self, live: Bus) -> None:
        # So few that a slow machine asks for more as well.
        await live.apply(doors=replace(live.base.doors, citizen_per_second=1))
        await get_with_keys(live, ME, live.tokens.token())
        async with live.citizen(live.tokens.token(sub="greedy")) as client:
            answers = []
            for _ in range(6):
                answers += await asyncio.gather(*(client.get(ME) for _ in range(5)))
        async with live.citizen(live.tokens.token(sub="patient")) as client:
            other = await client.get(ME)
        assert {a.status_code for a in answers} == {200, 429}
        assert {a.json()["code"] for a in answers if a.status_code == 429} == {"burst-exceeded"}
        assert other.status_code == 200


class TestPublicOperations:
    async def test_they_need_no_token_and_a_wrong_one_does_no_harm(self, live: Bus) -> None:
        async with live.citizen() as without, live.citizen("not-a-token") as wrong:
            answers = [await c.get(DISCOVERY, headers={"NDX-Citizen": "x"}) for c in (without, wrong)]
        assert [a.status_code for a in answers] == [200, 200]
        assert "ndx-citizen" not in answers[0].json()["headers"]

    async def test_another_method_says_so_without_a_token(self, live: Bus) -> None:
        async with live.citizen() as client:
            answer = await client.delete(ME)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")

    async def test_operations_of_agencies_do_not_exist_here(self, live: Bus) -> None:
        async with live.citizen(live.tokens.token()) as client:
            answers = [await client.get(p) for p in ("/population/v1/admin-units", "/v1/agencies")]
        assert {a.json()["code"] for a in answers} == {"operation-unknown"}
