"""Agencies, systems and the operators who may change them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from gateway.agencies import service
from gateway.agencies.errors import EnrolmentCodeInvalid
from gateway.agencies.vocabulary import TRANSITIONS, AgencyState
from ndx_chassis.app import Runtime
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
AGENCY = {"code": "B77", "name": "Ngân hàng thử", "name_en": "Test bank", "agency_class": "BANK"}


class TestRegisterAgency:
    async def test_it_begins_registered_and_leaves_an_audit_entry(self, post: Do, session: AsyncSession):
        made = await post("NDX:an", "/v1/agencies", AGENCY, 201)
        assert made["state"] == "REGISTERED"
        actor = await session.scalar(
            text("SELECT actor FROM audit_entries WHERE action = 'agency_registered' AND entity_id = 'B77'")
        )
        assert actor == "operator/NDX:an"

    async def test_a_code_is_given_once(self, post: Do):
        await post("NDX:an", "/v1/agencies", AGENCY, 201)
        assert (await post("NDX:an", "/v1/agencies", AGENCY, 409))["code"] == "agency-exists"

    @pytest.mark.parametrize("who", ["NDX:binh", "NDX:mai", "G01:chi", "NDX:nobody"])
    async def test_only_operators_with_the_role_register(self, post: Do, who: str):
        assert (await post(who, "/v1/agencies", AGENCY, 403))["code"] == "role-missing"

    async def test_without_the_gateway_nobody_is_an_operator(self, bus: Any, client: httpx.AsyncClient):
        reply = await client.post("/v1/agencies", json=AGENCY)
        assert (reply.status_code, reply.json()["code"]) == (401, "caller-unknown")

    @pytest.mark.parametrize(
        "change", [{"code": "b77"}, {"agency_class": "CIRCUS"}, {"province_code": "7"}, {"surprise": 1}]
    )
    async def test_wrong_members_are_refused(self, post: Do, change: dict[str, Any]):
        assert (await post("NDX:an", "/v1/agencies", AGENCY | change, 422))["code"] == "invalid-input"


class TestList:
    async def test_pages_hold_everything_once(self, post: Do, client: httpx.AsyncClient, as_operator: Do):
        await post("NDX:an", "/v1/agencies", AGENCY, 201)
        found: list[str] = []
        cursor = ""
        while cursor is not None:
            asked: dict[str, int | str] = {"limit": 2, "cursor": cursor}
            reply = await client.get("/v1/agencies", params=asked, headers=as_operator("NDX", "an"))
            page = reply.json()
            found += [item["code"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert found == ["B77", "G01", "G02", "G03", "G04", "NDX"]


class TestSuspend:
    async def test_suspended_and_back(self, post: Do, runtime: Runtime):
        reason = {"reason": "misuse found"}
        assert (await post("NDX:an", "/v1/agencies/G04/suspend", reason))["state"] == "SUSPENDED"
        async with runtime.sessions() as session:
            states = {entry.code: entry.state for entry in await service.registry(session)}
        assert (states["G04"], states["G03"]) == ("SUSPENDED", "ACTIVE")
        assert (await post("NDX:an", "/v1/agencies/G04/reactivate", reason))["state"] == "ACTIVE"

    async def test_a_registered_agency_cannot_be_suspended(self, post: Do, hospital: Any):
        refused = await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "why not"}, 409)
        assert refused["code"] == "transition-refused"

    async def test_an_unknown_agency(self, post: Do):
        refused = await post("NDX:an", "/v1/agencies/X99/suspend", {"reason": "why not"}, 404)
        assert refused["code"] == "agency-not-found"

    async def test_the_compiler_hears_of_it(self, post: Do, runtime: Runtime):
        import asyncio

        import asyncpg

        heard: asyncio.Queue[str] = asyncio.Queue()
        connection = await asyncpg.connect(runtime.settings.asyncpg_dsn)
        try:
            await connection.add_listener("ndx_config", lambda *notice: heard.put_nowait(notice[3]))
            await post("NDX:an", "/v1/agencies/G04/suspend", {"reason": "misuse found"})
            async with asyncio.timeout(5):
                assert await heard.get() == "agency G04"
        finally:
            await connection.close()

    def test_closed_is_for_ever(self):
        assert TRANSITIONS[AgencyState.CLOSED] == frozenset()


class TestSystems:
    async def test_the_code_is_shown_once_and_kept_as_a_hash(
        self, post: Do, hospital: Any, session: AsyncSession
    ):
        made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        kept = await session.scalar(text("SELECT enrolment_hash FROM systems WHERE code = 'his'"))
        assert kept
        assert made["enrolment_code"] not in kept

    async def test_a_second_system_of_that_name_is_refused(self, post: Do, hospital: Any):
        await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        again = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 409)
        assert again["code"] == "system-exists"

    async def test_a_code_expires(self, post: Do, hospital: Any, runtime: Runtime):
        made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        async with runtime.sessions() as session, session.begin():
            past = text("UPDATE systems SET enrolment_expires_at = now() - interval '1 second'")
            await session.execute(past)
        async with runtime.sessions() as session:
            with pytest.raises(EnrolmentCodeInvalid):
                await service.open_enrolment(session, made["enrolment_code"])

    async def test_codes_that_wait_are_listed_without_the_codes(self, post: Do, read: Do, hospital: Any):
        made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        listed = await read("NDX:an", "/v1/agencies/open-enrolments")
        assert [(e["agency"], e["system"], e["tries_left"]) for e in listed["items"]] == [
            ("H79.001", "his", 10)
        ]
        assert made["enrolment_code"] not in str(listed)

    async def test_a_new_code_replaces_the_former(self, post: Do, hospital: Any, runtime: Runtime):
        former = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        await post("NDX:an", "/v1/agencies/H79.001/systems/his/enrolment-codes", {}, 201)
        async with runtime.sessions() as session:
            with pytest.raises(EnrolmentCodeInvalid):
                await service.open_enrolment(session, former["enrolment_code"])
