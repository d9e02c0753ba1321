"""One quota over all agreements of an agency."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from gateway.quotas import jobs, repository, service
from gateway.quotas.holders import Bucket
from gateway.quotas.periods import Period
from ndx_contracts.events.gateway import QuotaReached

from .conftest import BUCKET, NUMBER, TERMS, Envoy, Service

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
SECOND = "DSA-H79.001-2"
OTHER = Bucket("H79.001", SECOND, 1)


@pytest.fixture
def quota(bus: FastAPI, client: httpx.AsyncClient, as_operator: Do) -> Do:
    """Give the agency a quota over all its agreements."""

    async def put(**limits: int | None) -> None:
        body = limits | {"reason": "as agreed with the ministry"}
        reply = await client.put("/v1/agencies/H79.001/quotas", json=body, headers=as_operator("NDX", "an"))
        assert reply.status_code == 200, reply.text

    return put


@pytest.fixture
def limited(agreed: Do, post: Do, quota: Do) -> Do:
    """Bring two agreements into force, the second without a quota, and give the agency one over both."""

    async def approve(first: dict[str, int], whole: dict[str, int]) -> None:
        await agreed(**first)
        await post("NDX:an", "/v1/agreements", TERMS, 201)
        await post("NDX:an", f"/v1/agreements/{SECOND}/submit")
        await post("G03:giang", f"/v1/agreements/{SECOND}/approve")
        await quota(**whole)

    return approve


class TestWholeAgency:
    async def test_all_its_agreements_share_one_quota_also_those_without_one(
        self, control: Service, limited: Do
    ) -> None:
        await limited({"per_day": 1000}, {"per_day": 300})
        envoy = Envoy(1)
        for _ in range(30):
            envoy.call(10)
            envoy.call(7, OTHER)
            await control.count(envoy)
        assert 300 <= envoy.served <= 300 + 17
        assert await control.used_in_all() == envoy.served
        assert (envoy.call(1), envoy.call(1, OTHER)) == (0, 0)

    async def test_what_one_agreement_may_not_use_the_others_get(self, control: Service, limited: Do) -> None:
        await limited({"per_day": 20}, {"per_day": 300})
        envoy = Envoy(1)
        served = {BUCKET: 0, OTHER: 0}
        for _ in range(40):
            served[BUCKET] += envoy.call(10)
            served[OTHER] += envoy.call(10, OTHER)
            await control.count(envoy)
        assert 20 <= served[BUCKET] <= 30
        assert 300 <= sum(served.values()) <= 320

    async def test_dear_operations_use_more_of_it(self, control: Service, limited: Do) -> None:
        await limited({}, {"per_day": 100})
        dear = Bucket("H79.001", SECOND, 5)
        envoy = Envoy(1)
        envoy.call(1, dear)
        await control.count(envoy)
        assert envoy.call(1000, dear) == 19

    async def test_two_control_planes_share_it_over_different_agreements(
        self, control: Service, limited: Do
    ) -> None:
        await limited({}, {"per_day": 1000})
        second = Service(control.runtime)
        one, other = Envoy(1), Envoy(1)
        for _ in range(40):
            one.call(30)
            other.call(30, OTHER)
            await control.count(one)
            await second.count(other)
        assert 1000 <= one.served + other.served <= 1060
        assert await control.used_in_all() == one.served + other.served

    async def test_it_begins_with_what_was_used_and_its_end_is_told_and_taken_back(
        self, control: Service, limited: Do, quota: Do, emitted: Callable[..., Any]
    ) -> None:
        control.now = datetime.now(UTC)
        await limited({"per_day": 1000}, {})
        envoy = Envoy(1)
        envoy.call(90)
        await control.count(envoy)
        await quota(per_day=100)
        envoy.call(5)
        await control.count(envoy)
        assert envoy.call(50) == 5
        await control.count(envoy)
        told = [e["data"] for e in await emitted() if e["type"] == QuotaReached.TYPE]
        assert [(e["agreement_id"], e["percent"], e["used"]) for e in told] == [
            ("*", 80, 90),
            ("*", 100, 100),
        ]
        async with control.runtime.sessions() as session:
            (spent,) = await service.spent(session, control.desk.calendar, control.now)
        assert (spent.agency, spent.whole_agency, spent.period) == ("H79.001", True, Period.DAY)
        await quota(per_day=None)
        envoy.call(3)
        await control.count(envoy)
        assert envoy.call(50) == 50
        async with control.runtime.sessions() as session:
            assert await service.spent(session, control.desk.calendar, control.now) == ()

    async def test_the_log_puts_right_what_was_called_without_a_quota(
        self, control: Service, limited: Do
    ) -> None:
        await limited({}, {"per_day": 100})
        day = control.desk.calendar.day(datetime.now(UTC))
        counted = jobs.with_agencies({("H79.001", NUMBER): (30, 30), ("H79.001", SECOND): (12, 6)})
        async with control.runtime.sessions() as session, session.begin():
            await repository.correct(session, counted, day=day, now=datetime.now(UTC))
        control.now = datetime.now(UTC)
        assert await control.used_in_all() == 42

    async def test_agency_and_operator_see_it_beside_the_agreements(
        self, control: Service, limited: Do, client: httpx.AsyncClient, as_agency: Do, read: Do
    ) -> None:
        control.now = datetime.now(UTC)
        await limited({"per_day": 1000}, {"per_day": 50, "per_month": 500})
        envoy = Envoy(1)
        envoy.call(20)
        envoy.call(7, OTHER)
        await control.count(envoy)
        caller = as_agency("H79.001", system="his")
        mine = (await client.get("/v1/usage/mine", headers=caller)).json()["items"]
        assert [(i["agreement"], i["day"]["used"], i["day"]["left"]) for i in mine] == [
            ("*", 27, 23),
            (NUMBER, 20, 980),
            (SECOND, 7, None),
        ]
        assert (mine[0]["month"]["limit"], mine[0]["month"]["percent"], mine[0]["burst"]) == (500, 5, None)
        (row,) = (await read("NDX:an", "/v1/usage?agency=H79.001&agreement=*"))["items"]
        assert row == mine[0]
        allowed = (await client.get("/v1/allowed-operations", headers=caller)).json()["items"]
        assert {(i["left_today"], i["left_this_month"]) for i in allowed} == {(23, 473)}

    async def test_only_an_operator_sets_it_and_zero_is_no_quota(
        self, bus: FastAPI, hospital: Any, client: httpx.AsyncClient, as_operator: Do
    ) -> None:
        body = {"per_day": 5, "reason": "why not"}
        path = "/v1/agencies/H79.001/quotas"
        refused = await client.put(path, json=body, headers=as_operator("G03", "giang"))
        assert (refused.status_code, refused.json()["code"]) == (403, "role-missing")
        nobody = await client.put("/v1/agencies/X99/quotas", json=body, headers=as_operator("NDX", "an"))
        assert nobody.status_code == 404
        zero = await client.put(path, json=body | {"per_day": 0}, headers=as_operator("NDX", "an"))
        assert zero.status_code == 422
