"""Agreements: four eyes, nothing unknown, every decision kept and announced."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from gateway.agreements import service
from ndx_chassis.app import Runtime
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
NUMBER = "DSA-H79.001-1"
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "consumer_systems": ["his"],
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}


def url(action: str = "") -> str:
    return f"/v1/agreements/{NUMBER}" + (f"/{action}" if action else "")


@pytest.fixture
async def draft(post: Do, hospital: Any) -> dict[str, Any]:
    made: dict[str, Any] = await post("NDX:an", "/v1/agreements", TERMS, 201)
    return made


@pytest.fixture
async def active(post: Do, draft: Any) -> dict[str, Any]:
    await post("NDX:an", url("submit"))
    made: dict[str, Any] = await post("G03:giang", url("approve"))
    return made


async def give_roles(runtime: Runtime, agency: str, login: str, roles: list[str]) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO operators (agency, login, roles, state) VALUES (:a, :l, :r, 'ACTIVE')"
                " ON CONFLICT (agency, login) DO UPDATE SET roles = :r"
            ),
            {"a": agency, "l": login, "r": roles},
        )


class TestDraft:
    async def test_it_gets_a_number_and_grants_nothing(self, draft: dict[str, Any], runtime: Runtime):
        assert (draft["agreement_id"], draft["state"], draft["version"]) == (NUMBER, "DRAFT", 1)
        async with runtime.sessions() as session:
            assert await service.enforceable(session) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"operations": [{"operation": "insurance.nothing", "field_groups": []}]},
            {"operations": [{"operation": "insurance.check", "field_groups": ["religion"]}]},
            {"provider_agency": "G04"},
            {"provider_agency": "NDX"},
            {"operations": [*TERMS["operations"], {"operation": "population.check", "field_groups": []}]},
        ],
        ids=["no such operation", "group not disclosed", "not its owner", "nor the bus", "two owners"],
    )
    async def test_terms_that_do_not_fit(self, post: Do, hospital: Any, change: dict[str, Any]):
        refused = await post("NDX:an", "/v1/agreements", TERMS | change, 422)
        assert refused["code"] == "agreement-terms-refused"

    @pytest.mark.parametrize(
        "change", [{"purposes": ["CURIOSITY"]}, {"purposes": []}, {"valid_to": "2025-06-30"}]
    )
    async def test_terms_that_are_invalid(self, post: Do, hospital: Any, change: dict[str, Any]):
        assert (await post("NDX:an", "/v1/agreements", TERMS | change, 422))["code"] == "invalid-input"

    async def test_a_change_is_a_new_version_and_an_old_view_is_refused(
        self, draft: Any, client: httpx.AsyncClient, as_operator: Do
    ):
        who = as_operator("NDX", "an")
        changed = TERMS | {"valid_to": "2099-12-31"}
        first = await client.put(url(), json=changed, headers=who, params={"seen_version": 1})
        assert (first.status_code, first.json()["version"]) == (200, 2)
        second = await client.put(url(), json=TERMS, headers=who, params={"seen_version": 1})
        assert (second.status_code, second.json()["code"]) == (412, "agreement-version-conflict")


class TestFourEyes:
    async def test_a_second_person_of_the_provider_makes_it_active(self, active: dict[str, Any]):
        assert active["state"] == "ACTIVE"

    @pytest.mark.parametrize("who", ["G01:chi", "NDX:binh"])
    async def test_an_approver_of_another_agency_is_refused(self, post: Do, draft: Any, who: str):
        await post("NDX:an", url("submit"))
        assert (await post(who, url("approve"), status=403))["code"] == "four-eyes"

    async def test_without_the_role_nobody_approves(self, post: Do, draft: Any):
        await post("NDX:an", url("submit"))
        assert (await post("NDX:an", url("approve"), status=403))["code"] == "role-missing"

    async def test_whoever_wrote_any_terms_does_not_approve(
        self, post: Do, hospital: Any, runtime: Runtime, client: httpx.AsyncClient, as_operator: Do
    ):
        await give_roles(runtime, "G03", "giang", ["operator", "approver"])
        await post("G03:giang", "/v1/agreements", TERMS, 201)
        # Another one writes last; the first drafter is still a drafter.
        changed = await client.put(url(), json=TERMS, headers=as_operator("NDX", "an"))
        assert changed.status_code == 200
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("approve"), status=403))["code"] == "four-eyes"

    async def test_a_draft_cannot_be_approved_nor_a_submitted_one_changed(
        self, post: Do, draft: Any, client: httpx.AsyncClient, as_operator: Do
    ):
        assert (await post("G03:giang", url("approve"), status=409))["code"] == "agreement-step-refused"
        await post("NDX:an", url("submit"))
        late = await client.put(url(), json=TERMS, headers=as_operator("NDX", "an"))
        assert late.json()["code"] == "agreement-step-refused"

    async def test_a_rejection_keeps_its_reason(self, post: Do, read: Do, draft: Any):
        await post("NDX:an", url("submit"))
        rejected = await post("G03:giang", url("reject"), {"reason": "no legal basis"})
        assert rejected["state"] == "REJECTED"
        last = (await read("NDX:mai", url("history")))["items"][-1]
        assert (last["decided_by"], last["reason"]) == ("G03:giang", "no legal basis")


class TestSuspend:
    async def test_it_is_announced_with_the_whole_document(
        self, post: Do, active: Any, emitted: Callable[[], Awaitable[list[dict[str, Any]]]]
    ):
        await post("NDX:an", url("suspend"), {"reason": "misuse found"})
        await post("NDX:an", url("resume"), {"reason": "cleared"})
        events = await emitted()
        assert [e["data"]["state"] for e in events] == ["ACTIVE", "SUSPENDED", "ACTIVE"]
        assert {e["key"] for e in events} == {NUMBER}
        assert events[1]["data"]["purposes"] == ["HEALTH_ENTITLEMENT"]
        assert events[1]["data"]["consumer_name"] == "Bệnh viện Minh Họa"

    async def test_the_compiler_still_knows_it_as_suspended(self, post: Do, active: Any, runtime: Runtime):
        await post("NDX:an", url("suspend"), {"reason": "misuse found"})
        async with runtime.sessions() as session:
            assert [a.state for a in await service.enforceable(session)] == ["SUSPENDED"]

    async def test_terminated_is_the_end(self, post: Do, active: Any):
        await post("NDX:an", url("terminate"), {"reason": "law changed"})
        refused = await post("NDX:an", url("resume"), {"reason": "cleared"}, 409)
        assert refused["code"] == "agreement-step-refused"

    async def test_the_agency_sees_its_own(self, active: Any, client: httpx.AsyncClient, as_agency: Do):
        mine = await client.get("/v1/agreements/mine", headers=as_agency("H79.001"))
        assert [a["agreement_id"] for a in mine.json()["items"]] == [NUMBER]
        theirs = await client.get("/v1/agreements/mine", headers=as_agency("G04"))
        assert theirs.json()["items"] == []


class TestCalendar:
    async def test_it_begins_on_its_first_day_and_ends_after_its_last(
        self, post: Do, hospital: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, read: Do
    ):
        from datetime import date

        future = TERMS | {"valid_from": "2090-01-01", "valid_to": "2090-12-31"}
        await post("NDX:an", "/v1/agreements", future, 201)
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("approve")))["state"] == "APPROVED"
        seen = []
        for day in (date(2089, 12, 31), date(2090, 1, 1), date(2090, 12, 31), date(2091, 1, 1)):
            monkeypatch.setattr(service, "_today", lambda day=day: day)
            await service.follow_calendar(runtime)
            seen.append((await read("NDX:an", url()))["state"])
        assert seen == ["APPROVED", "ACTIVE", "ACTIVE", "EXPIRED"]


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
