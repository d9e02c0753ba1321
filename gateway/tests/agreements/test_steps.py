"""What becomes of an agreement in force: suspension, amendment, its end by the calendar."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from gateway.agreements import jobs
from gateway.agreements.steps import today
from ndx_chassis.app import Runtime

from .conftest import MORE, NUMBER, TERMS, enforced, give_roles, url

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


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
