"""Reading a participant's entitlements over HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

CHILD = "079226000017"
PATH = "/insurance/v1/participants/{}/entitlements"
Make = Callable[..., Any]


class TestListEntitlements:
    async def test_all_intervals_come_with_the_age_of_the_copy_and_leave_a_record(
        self,
        people: Any,
        deliver: Make,
        birth: Make,
        client: httpx.AsyncClient,
        hospital: dict[str, str],
        disclosed: Make,
    ) -> None:
        await deliver(birth())
        reply = await client.get(PATH.format(CHILD), headers=hospital)
        assert reply.status_code == 200
        (item,) = reply.json()["items"]
        assert (item["valid_from"], item["valid_to"], item["ended_on"]) == ("2026-11-20", "2032-11-20", None)
        assert reply.json()["identity_copy"]["source"] == "population"
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"], record["field_groups"]) == (
            "DISCLOSED",
            [CHILD],
            ["insurance_entitlement"],
        )

    async def test_nobody_found_is_a_record_too(
        self, client: httpx.AsyncClient, hospital: dict[str, str], disclosed: Make
    ) -> None:
        reply = await client.get(PATH.format(CHILD), headers=hospital)
        assert (reply.status_code, reply.json()["code"]) == (404, "participant-not-found")
        assert CHILD not in reply.text
        (record,) = await disclosed()
        assert record["outcome"] == "NOT_FOUND"

    class TestMoreAtOnceThanConnections:
        @pytest.fixture
        def service_settings(self) -> dict[str, Any]:
            return {"database_pool_size": 2}

        async def test_each_is_told_that_nobody_was_found(
            self, client: httpx.AsyncClient, hospital: dict[str, str], disclosed: Make
        ) -> None:
            asked = [client.get(PATH.format(CHILD), headers=hospital) for _ in range(6)]
            assert [reply.status_code for reply in await asyncio.gather(*asked)] == [404] * 6
            assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"] * 6

    async def test_a_malformed_number_is_refused_without_showing_it(
        self, client: httpx.AsyncClient, hospital: dict[str, str]
    ) -> None:
        reply = await client.get(PATH.format("07922600001x"), headers=hospital)
        assert reply.status_code == 422
        assert "07922600001x" not in reply.text
