"""Agreements: four eyes, nothing unknown, every decision kept and announced."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from gateway.agreements import jobs, reading
from gateway.agreements.steps import today
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import Agreement
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

REFUSAL = {
    "reason": "out of scope",
    "legal_basis": {"text": "Only what the task needs is shared", "reference": "91/2025/QH15"},
}
MORE: dict[str, Any] = TERMS | {"purposes": ["HEALTH_ENTITLEMENT", "STATISTICS"]}


def url(action: str = "") -> str:
    return f"/v1/agreements/{NUMBER}" + (f"/{action}" if action else "")


@pytest.fixture
async def system(post: Do, hospital: Any) -> None:
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)


@pytest.fixture
async def draft(post: Do, system: Any) -> dict[str, Any]:
    made: dict[str, Any] = await post("NDX:an", "/v1/agreements", TERMS, 201)
    return made


@pytest.fixture
async def active(post: Do, draft: Any) -> dict[str, Any]:
    await post("NDX:an", url("submit"))
    made: dict[str, Any] = await post("G03:giang", url("approve"))
    return made


@pytest.fixture
def put(bus: Any, client: httpx.AsyncClient, as_operator: Do) -> Do:
    """Write new terms: `await put(terms, etag)`."""

    async def send(terms: dict[str, Any], etag: str | None = None) -> httpx.Response:
        headers = as_operator("NDX", "an") | ({"If-Match": etag} if etag else {})
        return await client.put(url(), json=terms, headers=headers)

    return send


async def give_roles(runtime: Runtime, agency: str, login: str, roles: list[str]) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO operators (agency, login, roles, state) VALUES (:a, :l, :r, 'ACTIVE')"
                " ON CONFLICT (agency, login) DO UPDATE SET roles = :r"
            ),
            {"a": agency, "l": login, "r": roles},
        )


async def enforced(session: AsyncSession) -> list[Agreement]:
    return (await reading.enforced(session, today(), {}))[1]


class TestDraft:
    async def test_it_gets_a_number_and_grants_nothing(self, draft: dict[str, Any], runtime: Runtime):
        assert (draft["agreement_id"], draft["state"], draft["version"]) == (NUMBER, "DRAFT", 1)
        async with runtime.sessions() as session:
            assert await enforced(session) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"operations": [{"operation": "insurance.nothing", "field_groups": []}]},
            {"operations": [{"operation": "insurance.check", "field_groups": ["religion"]}]},
            {"provider_agency": "G04"},
            {"provider_agency": "NDX"},
            {"consumer_systems": ["his", "elsewhere"]},
            {"operations": [*TERMS["operations"], {"operation": "population.check", "field_groups": []}]},
        ],
        ids=[
            "no such operation",
            "group not disclosed",
            "not its owner",
            "nor the bus",
            "no such system",
            "two owners",
        ],
    )
    async def test_terms_that_do_not_fit(self, post: Do, system: Any, change: dict[str, Any]):
        refused = await post("NDX:an", "/v1/agreements", TERMS | change, 422)
        assert refused["code"] == "agreement-terms-refused"

    @pytest.mark.parametrize(
        "change",
        [
            {"purposes": ["CURIOSITY"]},
            {"purposes": []},
            {"purposes": ["HEALTH_ENTITLEMENT", "HEALTH_ENTITLEMENT"]},
            {"valid_to": "2025-06-30"},
            {"consumer_class": "HEALTH"},
            {"consumer_agency": None},
            {"conditions": {"time_of_day": {"start": "07:00", "end": "07:00"}}},
            {"conditions": {"time_of_day": {"start": "07:00+07:00", "end": "17:00+07:00"}}},
        ],
    )
    async def test_terms_that_are_invalid(self, post: Do, system: Any, change: dict[str, Any]):
        assert (await post("NDX:an", "/v1/agreements", TERMS | change, 422))["code"] == "invalid-input"

    async def test_a_change_is_a_new_version_and_an_old_view_is_refused(
        self, draft: Any, put: Do, read: Do
    ) -> None:
        changed = TERMS | {"valid_to": "2099-12-31"}
        first = await put(changed, '"1-DRAFT"')
        assert (first.status_code, first.json()["version"]) == (200, 2)
        second = await put(TERMS, '"1-DRAFT"')
        assert (second.status_code, second.json()["code"]) == (412, "agreement-version-conflict")
        assert "2-DRAFT" in second.json()["detail"]
        versions = (await read("NDX:an", url("versions")))["items"]
        assert [v["agreement"]["state"] for v in versions] == ["SUPERSEDED", "DRAFT"]

    async def test_numbers_are_given_once_to_two_drafters_at_once(self, post: Do, system: Any) -> None:
        made = await asyncio.gather(*(post("NDX:an", "/v1/agreements", TERMS, 201) for _ in range(4)))
        assert len({m["agreement_id"] for m in made}) == 4


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
        self, post: Do, system: Any, runtime: Runtime, put: Do
    ):
        await give_roles(runtime, "G03", "giang", ["operator", "approver"])
        await post("G03:giang", "/v1/agreements", TERMS, 201)
        # Another one writes last; the first drafter is still a drafter.
        assert (await put(TERMS)).status_code == 200
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("approve"), status=403))["code"] == "four-eyes"

    async def test_a_draft_cannot_be_approved_nor_a_submitted_one_changed(
        self, post: Do, draft: Any, put: Do
    ):
        assert (await post("G03:giang", url("approve"), status=409))["code"] == "agreement-step-refused"
        await post("NDX:an", url("submit"))
        assert (await put(TERMS)).json()["code"] == "agreement-step-refused"

    async def test_a_rejection_keeps_its_reason_and_legal_basis(self, post: Do, read: Do, draft: Any):
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("reject"), {"reason": "out of scope"}, 422))["errors"]
        rejected = await post("G03:giang", url("reject"), REFUSAL)
        assert rejected["state"] == "REJECTED"
        last = (await read("NDX:mai", url("history")))["items"][-1]
        assert (last["decided_by"], last["reason"]) == ("G03:giang", "out of scope")
        assert last["legal_basis"]["reference"] == "91/2025/QH15"

    async def test_a_rejected_version_stays_and_better_terms_follow_it(
        self, post: Do, put: Do, read: Do, draft: Any
    ):
        await post("NDX:an", url("submit"))
        await post("G03:giang", url("reject"), REFUSAL)
        assert (await put(TERMS | {"valid_to": "2099-12-31"})).json()["version"] == 2
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("approve")))["state"] == "ACTIVE"
        versions = (await read("NDX:an", url("versions")))["items"]
        assert [v["agreement"]["state"] for v in versions] == ["REJECTED", "ACTIVE"]


class TestTwoAtOnce:
    async def test_of_two_approvals_one_counts_and_the_other_is_told_so(
        self, post: Do, draft: Any, runtime: Runtime, client: httpx.AsyncClient, as_operator: Do, read: Do
    ):
        await give_roles(runtime, "G03", "lan", ["approver"])
        await post("NDX:an", url("submit"))
        approvers = [as_operator("G03", "giang"), as_operator("G03", "lan")]
        both = await asyncio.gather(*(client.post(url("approve"), headers=h) for h in approvers))
        assert sorted(r.status_code for r in both) == [200, 409]
        refused = next(r for r in both if r.status_code == 409).json()
        assert refused["code"] == "agreement-step-refused"
        actions = [s["action"] for s in (await read("NDX:an", url("history")))["items"]]
        assert actions.count("approve") == 1

    async def test_approval_of_what_was_edited_meanwhile_is_refused(
        self, post: Do, put: Do, draft: Any, client: httpx.AsyncClient, as_operator: Do
    ):
        await post("NDX:an", url("submit"))
        who = as_operator("G03", "giang")
        seen = (await client.get(url(), headers=who)).headers["etag"]
        await post("NDX:an", url("recall"), {"reason": "a purpose was forgotten"})
        await put(TERMS | {"purposes": ["HEALTH_ENTITLEMENT", "STATISTICS"]})
        await post("NDX:an", url("submit"))
        late = await client.post(url("approve"), headers=who | {"If-Match": seen})
        assert (late.status_code, late.json()["code"]) == (412, "agreement-version-conflict")
        fresh = (await client.get(url(), headers=who)).headers["etag"]
        decided = await client.post(url("approve"), headers=who | {"If-Match": fresh})
        assert (decided.status_code, decided.json()["version"]) == (200, 2)

    async def test_an_edit_and_a_submission_at_once_leave_one_clear_state(
        self, post: Do, put: Do, draft: Any, client: httpx.AsyncClient, as_operator: Do, read: Do
    ):
        headers = as_operator("NDX", "an") | {"If-Match": '"1-DRAFT"'}
        changed, submitted = await asyncio.gather(
            put(TERMS | {"valid_to": "2099-12-31"}, '"1-DRAFT"'), client.post(url("submit"), headers=headers)
        )
        assert sorted([changed.status_code, submitted.status_code]) == [200, 412]
        states = [v["agreement"]["state"] for v in (await read("NDX:an", url("versions")))["items"]]
        assert states in (["SUBMITTED"], ["SUPERSEDED", "DRAFT"])


class TestSuspend:
    async def test_it_is_announced_with_the_whole_document(
        self, post: Do, active: Any, emitted: Callable[[], Awaitable[list[dict[str, Any]]]]
    ):
        await post("NDX:an", url("suspend"), {"reason": "misuse found"})
        await post("NDX:an", url("resume"), {"reason": "cleared"})
        events = [e for e in await emitted() if e["type"] == "gateway.agreement-changed.v1"]
        assert [e["data"]["state"] for e in events] == ["ACTIVE", "SUSPENDED", "ACTIVE"]
        assert {e["key"] for e in events} == {NUMBER}
        assert events[1]["data"]["purposes"] == ["HEALTH_ENTITLEMENT"]
        assert events[1]["data"]["consumer_name"] == "Bệnh viện Minh Họa"

    async def test_the_compiler_still_knows_it_as_suspended(self, post: Do, active: Any, runtime: Runtime):
        await post("NDX:an", url("suspend"), {"reason": "misuse found"})
        async with runtime.sessions() as session:
            assert [a.state for a in await enforced(session)] == ["SUSPENDED"]

    async def test_terminated_is_the_end(self, post: Do, active: Any):
        await post("NDX:an", url("terminate"), {"reason": "law changed"})
        refused = await post("NDX:an", url("resume"), {"reason": "cleared"}, 409)
        assert refused["code"] == "agreement-step-refused"

    async def test_the_agency_sees_its_own(self, active: Any, client: httpx.AsyncClient, as_agency: Do):
        mine = await client.get("/v1/agreements/mine", headers=as_agency("H79.001"))
        assert [a["agreement_id"] for a in mine.json()["items"]] == [NUMBER]
        theirs = await client.get("/v1/agreements/mine", headers=as_agency("G04"))
        assert theirs.json()["items"] == []


class TestAmendment:
    async def amended(self, post: Do, **change: Any) -> dict[str, Any]:
        made: dict[str, Any] = await post("NDX:an", url("amendments"), MORE | change, 201)
        await post("NDX:an", url("submit"))
        return made

    async def test_the_old_version_is_in_force_until_the_new_one_begins(
        self, post: Do, read: Do, active: Any, runtime: Runtime
    ):
        tomorrow = today() + timedelta(days=1)
        drafted = await self.amended(post, valid_from=tomorrow.isoformat())
        assert (drafted["version"], drafted["state"]) == (2, "DRAFT")
        assert (await post("G03:giang", url("approve")))["state"] == "APPROVED"
        assert (await read("NDX:an", url()))["version"] == 1
        async with runtime.sessions() as session:
            assert [a.version for a in await enforced(session)] == [1]
        await jobs.begin_and_end(runtime, tomorrow)
        assert (await read("NDX:an", url()))["purposes"] == MORE["purposes"]
        versions = (await read("NDX:an", url("versions")))["items"]
        assert [v["agreement"]["state"] for v in versions] == ["SUPERSEDED", "ACTIVE"]
        assert versions[0]["agreement"]["purposes"] == TERMS["purposes"]
        first = await read("NDX:an", url("versions/1"))
        assert (first["state"], first["purposes"]) == ("SUPERSEDED", TERMS["purposes"])

    async def test_it_is_announced_once_with_its_new_terms(
        self, post: Do, active: Any, emitted: Callable[[], Awaitable[list[dict[str, Any]]]]
    ):
        await self.amended(post)
        await post("G03:giang", url("approve"))
        events = [e for e in await emitted() if e["type"] == "gateway.agreement-changed.v1"]
        assert [(e["data"]["version"], e["data"]["state"]) for e in events] == [(1, "ACTIVE"), (2, "ACTIVE")]
        assert {e["key"] for e in events} == {NUMBER}

    async def test_a_suspension_outlives_it(self, post: Do, active: Any):
        await post("NDX:an", url("suspend"), {"reason": "misuse found"})
        await self.amended(post)
        assert (await post("G03:giang", url("approve")))["state"] == "SUSPENDED"

    async def test_only_one_is_open_at_a_time(self, post: Do, active: Any):
        await self.amended(post)
        refused = await post("NDX:an", url("amendments"), MORE, 409)
        assert refused["code"] == "agreement-step-refused"
        await post("NDX:an", url("withdraw"), {"reason": "not needed"})
        await post("NDX:an", url("amendments"), MORE, 201)

    async def test_neither_party_changes(self, post: Do, active: Any):
        for change in ({"consumer_agency": "G04"}, {"provider_agency": "G04"}):
            refused = await post("NDX:an", url("amendments"), MORE | change, 422)
            assert refused["code"] == "agreement-terms-refused"

    async def test_who_drafted_the_first_version_may_approve_the_next_that_another_wrote(
        self, post: Do, active: Any, runtime: Runtime
    ):
        await give_roles(runtime, "G03", "giang", ["operator", "approver"])
        await self.amended(post)
        await post("G03:giang", url("approve"))
        await post("G03:giang", url("amendments"), TERMS, 201)
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("approve"), status=403))["code"] == "four-eyes"

    async def test_an_expired_agreement_is_renewed_by_one(
        self, post: Do, read: Do, system: Any, runtime: Runtime
    ):
        await post("NDX:an", "/v1/agreements", TERMS | {"valid_to": today().isoformat()}, 201)
        await post("NDX:an", url("submit"))
        await post("G03:giang", url("approve"))
        await jobs.begin_and_end(runtime, today() + timedelta(days=1))
        assert (await read("NDX:an", url()))["state"] == "EXPIRED"
        async with runtime.sessions() as session:
            assert [a.state for a in await enforced(session)] == ["EXPIRED"]
        await self.amended(post)
        assert (await post("G03:giang", url("approve")))["state"] == "ACTIVE"
        async with runtime.sessions() as session:
            assert [(a.version, a.state) for a in await enforced(session)] == [(2, "ACTIVE")]

    async def test_a_terminated_agreement_has_no_future(self, post: Do, put: Do, read: Do, active: Any):
        await self.amended(post)
        await post("NDX:an", url("terminate"), {"reason": "law changed"})
        versions = (await read("NDX:an", url("versions")))["items"]
        assert [v["agreement"]["state"] for v in versions] == ["TERMINATED", "WITHDRAWN"]
        assert (await post("NDX:an", url("amendments"), MORE, 409))["code"] == "agreement-step-refused"
        assert (await put(MORE)).json()["code"] == "agreement-step-refused"

    async def test_the_approver_sees_what_differs(self, post: Do, read: Do, active: Any):
        await self.amended(post, quotas={"per_second": 5})
        diff = await read("G03:giang", url("versions/2/diff"))
        assert (diff["from_version"], diff["to_version"]) == (1, 2)
        assert diff["items"] == [
            {"term": "purposes", "before": None, "after": "STATISTICS"},
            {"term": "quotas.per_second", "before": 50, "after": 5},
        ]
        missing = await read("G03:giang", url("versions/9/diff"), 404)
        assert missing["code"] == "agreement-version-not-found"


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


class TestCalendar:
    async def test_it_begins_on_its_first_day_and_ends_after_its_last(
        self, post: Do, system: Any, runtime: Runtime, read: Do
    ):
        future = TERMS | {"valid_from": "2090-01-01", "valid_to": "2090-12-31"}
        await post("NDX:an", "/v1/agreements", future, 201)
        await post("NDX:an", url("submit"))
        assert (await post("G03:giang", url("approve")))["state"] == "APPROVED"
        seen = []
        for day in (date(2089, 12, 31), date(2090, 1, 1), date(2090, 12, 31), date(2091, 1, 1)):
            await jobs.begin_and_end(runtime, day)
            seen.append((await read("NDX:an", url()))["state"])
        assert seen == ["APPROVED", "ACTIVE", "ACTIVE", "EXPIRED"]


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
