"""Agreements are listed and templates bind a class; every decision is kept."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .conftest import MORE, NUMBER, TERMS, url

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestTemplate:
    async def test_it_binds_a_class_and_its_members_see_it(
        self, post: Do, hospital: Any, client: httpx.AsyncClient, as_agency: Do
    ):
        terms = TERMS | {"consumer_agency": None, "consumer_class": "HEALTH"}
        made = await post("NDX:an", "/v1/agreements", terms, 201)
        number = made["agreement_id"]
        assert (number, made["consumer_name_en"]) == ("DSA-CLASS_HEALTH-1", "Health care facility")
        await post("NDX:an", f"/v1/agreements/{number}/submit")
        await post("G03:giang", f"/v1/agreements/{number}/approve")
        mine = await client.get("/v1/agreements/mine", headers=as_agency("H79.001"))
        assert [a["agreement_id"] for a in mine.json()["items"]] == [number]
        theirs = await client.get("/v1/agreements/mine", headers=as_agency("G04"))
        assert theirs.json()["items"] == []
        allowed = await client.get("/v1/allowed-operations", headers=as_agency("H79.001", system="his"))
        assert [a["agreement"] for a in allowed.json()["items"]] == [number]

    async def test_it_takes_the_steps_of_any_agreement_by_two_people_and_stops_at_once(
        self, post: Do, hospital: Any, emitted: Callable[[], Awaitable[list[dict[str, Any]]]]
    ):
        terms = TERMS | {"consumer_agency": None, "consumer_class": "HEALTH"}
        number = (await post("NDX:an", "/v1/agreements", terms, 201))["agreement_id"]
        await post("NDX:an", f"/v1/agreements/{number}/submit")
        for who in ("NDX:an", "G04:hai", "NDX:binh"):
            assert await post(who, f"/v1/agreements/{number}/approve", status=403)
        await post("G03:giang", f"/v1/agreements/{number}/approve")
        await post("NDX:an", f"/v1/agreements/{number}/suspend", {"reason": "data found on the street"})
        amended = terms | {"purposes": ["HEALTH_ENTITLEMENT", "STATISTICS"]}
        assert (await post("NDX:an", f"/v1/agreements/{number}/amendments", amended, 201))["version"] == 2
        told = [e["data"] for e in await emitted() if e["type"] == "gateway.agreement-changed.v1"]
        assert [(d["consumer_class"], d["state"]) for d in told] == [
            ("HEALTH", "ACTIVE"),
            ("HEALTH", "SUSPENDED"),
        ]


class TestList:
    async def test_it_comes_in_pages_and_by_state(self, post: Do, read: Do, active: Any):
        await post("NDX:an", "/v1/agreements", TERMS, 201)
        await post("NDX:an", url("amendments"), MORE, 201)
        first = await read("NDX:an", "/v1/agreements?limit=1")
        second = await read("NDX:an", f"/v1/agreements?limit=1&cursor={first['next_cursor']}")
        assert [p["items"][0]["agreement_id"] for p in (first, second)] == [NUMBER, "DSA-H79.001-2"]
        assert (first["items"][0]["state"], second["next_cursor"]) == ("ACTIVE", None)
        drafts = (await read("NDX:an", "/v1/agreements?state=DRAFT"))["items"]
        assert [(d["agreement_id"], d["version"]) for d in drafts] == [(NUMBER, 2), ("DSA-H79.001-2", 1)]


class TestHistory:
    async def test_every_step_is_kept(self, post: Do, read: Do, active: Any):
        steps = (await read("NDX:mai", url("history")))["items"]
        assert [s["action"] for s in steps] == ["draft", "submit", "approve", "activate"]
        assert steps[2]["decided_by"] == "G03:giang"

    async def test_the_services_own_role_cannot_rewrite_it(self, active: Any, session: AsyncSession):
        granted = text(
            "SELECT privilege_type FROM information_schema.role_table_grants"
            " WHERE table_name = 'agreement_history' AND grantee = CURRENT_USER"
        )
        rights = set((await session.scalars(granted)).all())
        assert {"SELECT", "INSERT"} <= rights
        assert rights.isdisjoint({"UPDATE", "DELETE", "TRUNCATE"})
