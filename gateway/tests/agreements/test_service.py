"""Agreements: four eyes, nothing unknown, also when two decide at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from ndx_chassis.app import Runtime

from .conftest import NUMBER, TERMS, enforced, give_roles, url

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
REFUSAL = {
    "reason": "out of scope",
    "legal_basis": {"text": "Only what the task needs is shared", "reference": "91/2025/QH15"},
}


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
        seen = {"If-Match": '"1-SUBMITTED"'}
        approvers = [as_operator("G03", login) | seen for login in ("giang", "lan")]
        both = await asyncio.gather(*(client.post(url("approve"), headers=h) for h in approvers))
        assert sorted(r.status_code for r in both) == [200, 412]
        refused = next(r for r in both if r.status_code == 412).json()
        assert refused["code"] == "agreement-version-conflict"
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

    @pytest.mark.parametrize("named", [{}, {"If-Match": "*"}, {"If-Match": '"1-SUBMITTED", *'}])
    async def test_who_does_not_say_what_was_read_decides_nothing(
        self, post: Do, read: Do, draft: Any, client: httpx.AsyncClient, as_operator: Do, named: Any
    ):
        await post("NDX:an", url("submit"))
        who = as_operator("G03", "giang") | named
        for action, body in (("approve", None), ("reject", REFUSAL)):
            refused = await client.post(url(action), json=body, headers=who)
            assert (refused.status_code, refused.json()["code"]) == (428, "agreement-version-missing")
        assert (await read("NDX:an", url()))["state"] == "SUBMITTED"

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
