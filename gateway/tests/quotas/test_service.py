"""Quotas by day and month: the tally counts once and survives, and what is left is shared, never doubled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from gateway.quotas import jobs, repository, service
from gateway.quotas.desk import Batch, Desk, Order
from gateway.quotas.holders import IDLE_AFTER, TIME_TO_LIVE, Bucket, Report
from gateway.quotas.periods import Period
from gateway.quotas.spent import WHOLE_AGENCY
from ndx_chassis.app import Runtime
from ndx_contracts.events.gateway import QuotaReached

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
NUMBER = "DSA-H79.001-1"
BUCKET = Bucket("H79.001", NUMBER, 1)
NOON = datetime(2026, 11, 24, 5, tzinfo=UTC)  # in Vietnam
INTERVAL = timedelta(seconds=5)
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}


@dataclass
class Envoy:
    """Counts and refuses as the real one does."""

    stream: int
    left: dict[Bucket, int | None] = field(default_factory=dict)
    """None = everything passes, until something is assigned."""
    allowed: dict[Bucket, int] = field(default_factory=dict)
    refused: dict[Bucket, int] = field(default_factory=dict)
    served: int = 0
    fresh: set[Bucket] = field(default_factory=set)

    def call(self, count: int, bucket: Bucket = BUCKET) -> int:
        if bucket not in self.left:
            self.fresh.add(bucket)
        left = self.left.setdefault(bucket, None)
        passed = count if left is None else min(count, left)
        self.left[bucket] = None if left is None else left - passed
        self.allowed[bucket] = self.allowed.get(bucket, 0) + passed
        self.refused[bucket] = self.refused.get(bucket, 0) + count - passed
        self.served += passed * bucket.cost
        return passed

    def reports(self) -> list[Report]:
        found = [
            Report(self.stream, b, self.allowed.get(b, 0), self.refused.get(b, 0), fresh=b in self.fresh)
            for b in self.left
        ]
        self.allowed, self.refused, self.fresh = {}, {}, set()
        return found

    def obey(self, orders: list[Order]) -> None:
        for order in orders:
            if order.stream != self.stream or order.again:
                continue
            if order.calls is None:
                self.left.pop(order.bucket, None)
            else:
                self.left[order.bucket] = order.calls


@dataclass
class Service:
    """A control plane at work, with a clock that the test moves."""

    runtime: Runtime
    desk: Desk = field(default_factory=Desk)
    now: datetime = NOON
    number: int = 0

    async def count(self, *envoys: Envoy, repeat: bool = False) -> list[Order]:
        """Take in what the Envoys report, and tell them what follows."""
        self.number += not repeat
        self.now += INTERVAL
        batch = Batch(self.number, tuple(r for e in envoys for r in e.reports()))
        async with self.runtime.sessions() as session, session.begin():
            outcome = await service.take_in(session, self.desk, batch, now=self.now)
        self.desk.settle(outcome)
        for envoy in envoys:
            envoy.obey(outcome.orders)
        return outcome.orders

    async def used(self, period: Period = Period.DAY) -> int:
        start = self.desk.calendar.start(period, self.now)
        async with self.runtime.sessions() as session:
            rows = await repository.uses(session, [(period.value, start)], agency="H79.001")
        return sum(row.units for row in rows if row.agreement_id != WHOLE_AGENCY)

    async def used_in_all(self) -> int:
        """Return what the tally says of the whole agency today."""
        today = (Period.DAY.value, self.desk.calendar.day(self.now))
        async with self.runtime.sessions() as session:
            rows = await repository.uses(session, [today], groups=[("H79.001", WHOLE_AGENCY)])
        return sum(row.units for row in rows)


@pytest.fixture
def control(bus: FastAPI, runtime: Runtime) -> Service:
    return Service(runtime)


@pytest.fixture
def agreed(post: Do, hospital: Any) -> Do:
    """Bring an agreement with quotas into force."""

    async def approve(**quotas: int) -> None:
        await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        await post("NDX:an", "/v1/agreements", TERMS | {"quotas": quotas}, 201)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
        await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")

    return approve


class TestAssignment:
    async def test_one_envoy_gets_all_that_is_left_at_once_and_not_a_call_more(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        (order,) = await control.count(envoy)
        assert order.calls == 99
        assert envoy.call(60) == 60
        assert await control.count(envoy) == []
        assert envoy.call(60) == 39
        await control.count(envoy)
        assert await control.used() == 100
        assert envoy.call(1) == 0

    async def test_an_operation_that_costs_more_uses_more(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        dear = Bucket("H79.001", NUMBER, 5)
        envoy = Envoy(1)
        envoy.call(1, dear)
        await control.count(envoy)
        assert envoy.call(1000, dear) == 19
        await control.count(envoy)
        assert await control.used() == 100

    async def test_the_narrower_of_day_and_month_decides(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100, per_month=30)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        assert envoy.call(100) == 29

    @pytest.mark.parametrize("load", [(40, 40), (70, 5), (3, 300)])
    async def test_two_envoys_together_overshoot_by_no_more_than_one_interval(
        self, control: Service, agreed: Do, load: tuple[int, int]
    ) -> None:
        await agreed(per_day=1000)
        one, other = Envoy(1), Envoy(2)
        one.call(1)
        await control.count(one)
        for _ in range(60):
            one.call(load[0])
            other.call(load[1])
            await control.count(one, other)
        assert 1000 <= one.served + other.served <= 1000 + sum(load)
        assert await control.used() == one.served + other.served

    async def test_dear_and_cheap_calls_draw_on_one_quota(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=300)
        dear, envoy = Bucket("H79.001", NUMBER, 3), Envoy(1)
        for _ in range(40):
            envoy.call(10)
            envoy.call(2, dear)
            await control.count(envoy)
        assert 298 <= envoy.served <= 300 + 16
        assert await control.used() == envoy.served

    async def test_a_new_day_begins_with_the_whole_quota(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        assert envoy.call(50) == 9
        await control.count(envoy)
        control.now = datetime(2026, 11, 24, 17, tzinfo=UTC)
        await control.count(envoy)
        assert envoy.call(50) == 10
        await control.count(envoy)
        assert (await control.used(), await control.used(Period.MONTH)) == (10, 20)

    async def test_a_larger_quota_reaches_who_was_refused(
        self, control: Service, agreed: Do, post: Do
    ) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(50)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/amendments", TERMS | {"quotas": {"per_day": 25}}, 201)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
        await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")
        await control.count(envoy)
        assert envoy.call(50) == 15

    async def test_a_bucket_without_a_quota_any_more_is_given_up(
        self, control: Service, agreed: Do, post: Do
    ) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/terminate", {"reason": "over"})
        envoy.call(1)
        (order,) = await control.count(envoy)
        assert order.calls is None
        assert control.desk.holders == {}

    async def test_who_does_not_call_any_more_is_forgotten_and_who_does_is_renewed(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        control.now += TIME_TO_LIVE / 2
        (order,) = await control.count(envoy)
        assert (order.again, order.calls) == (True, 9)
        control.now += IDLE_AFTER * 0.9
        (order,) = await control.count(envoy)
        assert order.calls is None


class TestTally:
    async def test_more_buckets_than_fit_one_statement_come_and_go_together(
        self, control: Service, agreed: Do, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(repository, "AT_A_TIME", 2)
        await agreed(per_day=100)
        envoy = Envoy(1)
        for number in range(7):
            envoy.call(1, Bucket(f"X{number}", NUMBER, 1))
        assert len(await control.count(envoy)) == 7
        control.desk = Desk()
        assert await control.count(envoy) == []
        control.now += IDLE_AFTER * 1.1
        assert {order.calls for order in await control.count(envoy)} == {99}
        control.now += IDLE_AFTER * 0.9
        assert {order.calls for order in await control.count(envoy)} == {None}

    async def test_a_batch_whose_commit_was_in_doubt_counts_once(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(7)
        reports = tuple(envoy.reports())
        for _ in range(2):
            async with control.runtime.sessions() as session, session.begin():
                await service.take_in(session, control.desk, Batch(1, reports), now=NOON)
        assert await control.used() == 7

    async def test_a_control_plane_that_was_restarted_goes_on_where_it_stood(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(39)
        await control.count(envoy)
        control.desk = Desk()
        envoy.stream = 7
        envoy.call(10)
        assert await control.count(envoy) == []
        assert await control.used() == 50
        assert envoy.call(500) == 50
        await control.count(envoy)
        assert await control.used() == 100

    async def test_what_was_used_while_nobody_listened_is_counted_at_the_latest_when_it_runs_out(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(9)
        await control.count(envoy)
        envoy.call(40)
        envoy.reports()  # lost: the control plane was away
        control.desk = Desk()
        envoy.call(5)
        assert await control.count(envoy) == []
        assert envoy.call(500) == 45
        await control.count(envoy)
        assert await control.used() == 100
        assert envoy.call(5) == 0

    async def test_after_a_long_absence_what_is_left_is_assigned_anew(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(59)
        await control.count(envoy)
        control.desk = Desk()
        control.now += service.BACK_WITHIN
        other = Envoy(1)  # it started while nobody was there, and has no assignment
        other.call(10)
        other.fresh.clear()
        (order,) = await control.count(other)
        assert order.calls == 30

    async def test_an_envoy_that_was_restarted_gets_what_is_left(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(59)
        await control.count(envoy)
        control.desk.leave(1)
        again = Envoy(2)
        again.call(1)
        await control.count(again)
        assert again.call(500) == 39

    async def test_two_control_planes_share_one_quota(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=1000)
        second = Service(control.runtime)
        one, other = Envoy(1), Envoy(1)
        for _ in range(40):
            one.call(30)
            other.call(30)
            await control.count(one)
            await second.count(other)
        assert 1000 <= one.served + other.served <= 1060
        assert await control.used() == one.served + other.served

    async def test_old_tallies_go(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(7)
        control.now = datetime(2025, 1, 1, tzinfo=UTC)
        await control.count(envoy)
        assert await control.used() == 7
        await jobs.clear(control.runtime)
        assert await control.used() == 0


class TestEvents:
    async def test_each_threshold_is_told_once_in_a_period(
        self, control: Service, agreed: Do, emitted: Callable[[], Awaitable[list[dict[str, Any]]]]
    ) -> None:
        await agreed(per_day=100, per_month=1000)
        envoy = Envoy(1)
        for calls in (70, 9, 1, 10, 50, 50):
            envoy.call(calls)
            await control.count(envoy)
        told = [e["data"] for e in await emitted() if e["type"] == QuotaReached.TYPE]
        assert [(e["period"], e["percent"], e["used"], e["limit"]) for e in told] == [
            ("DAY", 80, 80, 100),
            ("DAY", 100, 100, 100),
        ]
        assert told[0]["agency"] == "H79.001"
        assert told[0]["resets_at"] == "2026-11-24T17:00:00Z"

    async def test_a_month_that_is_used_up_is_told_to_the_configuration(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_month=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(50)
        await control.count(envoy)
        async with control.runtime.sessions() as session:
            (spent,) = await service.spent(session, control.desk.calendar, control.now)
        assert (spent.agency, spent.agreement_id) == ("H79.001", NUMBER)
        assert spent.until == datetime(2026, 11, 30, 17, tzinfo=UTC).timestamp()

    async def test_so_is_a_day_that_is_used_up_until_the_next_one(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(50)
        await control.count(envoy)
        calendar = control.desk.calendar
        async with control.runtime.sessions() as session:
            (spent,) = await service.spent(session, calendar, control.now)
            midnight = calendar.end(Period.DAY, calendar.day(control.now))
            assert await service.spent(session, calendar, midnight) == ()
        assert (spent.agency, spent.agreement_id, spent.period) == ("H79.001", NUMBER, Period.DAY)
        assert spent.until == midnight.timestamp()


class TestUsage:
    async def test_an_agency_sees_its_own_use_against_quota(
        self, control: Service, agreed: Do, client: httpx.AsyncClient, as_agency: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(41)
        control.now = datetime.now(UTC)
        await control.count(envoy)
        answer = await client.get("/v1/usage/mine", headers=as_agency("H79.001", system="his"))
        (found,) = answer.json()["items"]
        assert found["agreement"] == NUMBER
        assert (found["day"]["used"], found["day"]["left"], found["day"]["percent"]) == (41, 59, 41)
        assert (found["month"]["used"], found["month"]["limit"]) == (41, None)
        others = await client.get("/v1/usage/mine", headers=as_agency("G04"))
        assert others.json()["items"] == []

    async def test_an_operator_sees_everybodys_page_by_page(
        self, control: Service, agreed: Do, read: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(3)
        envoy.call(4, Bucket("B01", NUMBER, 1))
        await control.count(envoy)
        day = control.desk.calendar.day(control.now)
        first = await read("NDX:an", f"/v1/usage?day={day}&limit=1")
        second = await read("NDX:an", f"/v1/usage?day={day}&limit=1&cursor={first['next_cursor']}")
        assert [(i["agency"], i["day"]["used"]) for p in (first, second) for i in p["items"]] == [
            ("B01", 4),
            ("H79.001", 3),
        ]
        assert second["next_cursor"] is None
        only = await read("NDX:an", f"/v1/usage?day={day}&agency=H79.001")
        assert [i["agency"] for i in only["items"]] == ["H79.001"]


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
