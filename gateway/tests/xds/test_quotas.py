"""Quotas by day and month in a real Envoy: what it refuses, what it reports, what it does without us."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from gateway.quotas import repository
from gateway.quotas.desk import Batch, Desk, Outcome
from gateway.quotas.periods import Calendar, Period
from gateway.quotas.spent import WHOLE_AGENCY, AgencyQuota, Limits, Spent
from gateway.xds import protos, quota_filter
from gateway.xds.bootstrap import bootstrap
from gateway.xds.quota_server import EvenPace, QuotaAlarms, QuotaServer
from ndx_chassis.app import Runtime
from ndx_contracts.agreements import AgencyClass, Agreement, Quotas
from ndx_testing.bus import AGREEMENTS, Bus, agreement
from ndx_testing.envoy import EnvoyProcess, free_ports, running_envoy, until
from prometheus_client import CollectorRegistry

pytestmark = pytest.mark.integration
INTERVAL = 5.0
"""Seconds between two reports of an Envoy."""
UNITS = "/population/v1/admin-units"
CLINIC = "H79.001:his"
NUMBER = "DSA-H79.001-1"
_NOW = datetime.now(UTC)
NOON = Calendar(timedelta(hours=12) - (_NOW - _NOW.replace(hour=0, minute=0, second=0, microsecond=0)))
"""A place where it is noon now: no day ends while a test uses its quota up."""
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}


def clinics(number: str, **quotas: int) -> list[Agreement]:
    """Return the bus's agreements; the clinic's gives it the administrative units within these quotas."""
    mine = agreement(number, ["population.list_admin_units"], quotas=Quotas(per_second=900, **quotas))
    return [*(a for a in AGREEMENTS if a.consumer_agency != "H79.001"), mine]


@asynccontextmanager
async def quota_service(live: Bus, runtime: Any) -> AsyncIterator[QuotaServer]:
    """Run a control plane that counts; at the end it is killed, not stopped."""
    server = QuotaServer(runtime, Desk(NOON))
    await live.stop_control_plane()
    await live.start_control_plane(server)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def counted(
    live: Bus, bus: FastAPI, runtime: Runtime, post: Callable[..., Any], hospital: Any
) -> AsyncIterator[Bus]:
    """Give the bus with a clinic that has ten units a day, in the tables as in Envoy."""
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    await post("NDX:an", "/v1/agreements", TERMS | {"quotas": {"per_day": 10}}, 201)
    await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
    await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")
    yield live
    await live.stop_control_plane()
    await live.start_control_plane()


async def tally(runtime: Runtime) -> tuple[int, int]:
    """Return the clinic's calls of today that were let through, and those that were refused."""
    today = Desk(NOON).calendar.day(datetime.now(UTC))
    async with runtime.sessions() as session:
        rows = await repository.uses(session, [(Period.DAY.value, today)], agency="H79.001")
    return (rows[0].units, rows[0].refused) if rows else (0, 0)


def assignments(live: Bus, envoy: EnvoyProcess | None = None) -> int:
    """Return how often Envoy has taken an assignment, as it says in its own log."""
    envoy = envoy or live.envoy
    assert envoy is not None
    return envoy.log.read_text(encoding="utf-8").count("A new TokenBucket has been configured")


@asynccontextmanager
async def second_envoy(live: Bus, folder: Path) -> AsyncIterator[tuple[int, EnvoyProcess]]:
    """Run another Envoy, and give its agencies' port."""
    listener, citizen, admin, health = free_ports(4)
    changes = {"node": "envoy-2", "admin_port": admin, "door_ports": (listener, citizen)}
    settings = live.settings.model_copy(update={**changes, "health_port": health})
    async with running_envoy(bootstrap(settings), folder) as envoy:
        await until(lambda: "envoy-2" in live.server.envoys, what="the second Envoy")
        await live.server.wait_settled()
        await until(envoy.ready, what="its first configuration")
        yield listener, envoy


class TestDailyQuota:
    async def test_not_a_call_more_than_the_quota_also_when_the_control_plane_is_killed(
        self, counted: Bus, runtime: Runtime
    ) -> None:
        async with counted.caller(CLINIC) as clinic, counted.caller("G03:insurance-link") as other:
            async with quota_service(counted, runtime):
                await counted.apply(agreements=clinics(NUMBER, per_day=10))
                lie = {"X-NDX-Quota": "DSA-G03-1 1", "X-NDX-Quota-Bucket": "G03 DSA-G03-1 1"}
                before = assignments(counted)
                served = await clinic.get(UNITS, headers=lie)
                await until(lambda: assignments(counted) > before, what="the assignment")
                answers = [await clinic.get(UNITS) for _ in range(12)]
                assert (await other.get(UNITS)).status_code == 200
            assert served.status_code == 200
            assert not [name for name in served.json()["headers"] if "quota" in name]
            assert [a.status_code for a in answers] == [200] * 9 + [429] * 3
            refused = answers[-1]
            assert refused.json()["code"] == "daily-quota-exceeded"
            assert refused.json()["quota_of"] == "AGREEMENT"
            assert refused.headers["content-type"] == "application/problem+json"
            assert 0 < int(refused.headers["retry-after"]) <= 86_400
            assert len(counted.provider.received) == 11
            assert (await clinic.get(UNITS)).status_code == 429
            async with quota_service(counted, runtime):
                assert (await clinic.get(UNITS)).status_code == 429

                async def reported() -> bool:
                    return (await tally(runtime))[1] >= 2

                await until(reported, seconds=15, what="a report after the restart")
                assert (await tally(runtime))[0] == 10
                assert (await clinic.get(UNITS)).status_code == 429

    async def test_for_how_long_reported_use_was_not_counted_is_on_the_page(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The store is away; then it comes back."""

        class Away:
            def sessions(self) -> None:
                raise OSError

        runtime: Any = Away()
        server, registry, counted = QuotaServer(runtime, Desk(NOON)), CollectorRegistry(), asyncio.Event()
        registry.register(QuotaAlarms(server))

        def behind() -> float:
            return registry.get_sample_value("ndx_quota_tally_behind_seconds") or 0.0

        async def count(_batch: Batch) -> Outcome:
            counted.set()
            return Outcome({}, [])

        usage = protos.rlqs_pb2.RateLimitQuotaUsageReports.BucketQuotaUsage(num_requests_allowed=1)
        usage.bucket_id.bucket[quota_filter.BUCKET] = f"H79.001 {quota_filter.key(NUMBER, 1)}"
        assert behind() == 0
        task = asyncio.create_task(server.run())
        try:
            server._note(1, [usage])
            await asyncio.sleep(0.1)
            assert behind() > 0
            monkeypatch.setattr(server, "_count", count)
            async with asyncio.timeout(30):
                await counted.wait()
                while behind() > 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def test_without_its_store_the_gate_is_neither_open_nor_closed(self, live: Bus) -> None:
        class Away:
            def sessions(self) -> Any:
                raise ConnectionRefusedError

        async with quota_service(live, Away()) as server:
            await self.even_pace(live, server, "DSA-H79.001-7", "DSA-H79.001-8")

    async def test_nor_is_it_when_only_the_standby_is_there(self, live: Bus) -> None:
        standby = EvenPace()
        await live.stop_control_plane()
        await live.start_control_plane(standby)
        await self.even_pace(live, standby, "DSA-H79.001-5", "DSA-H79.001-6")

    @staticmethod
    async def even_pace(live: Bus, server: QuotaServer | EvenPace, first: str, second: str) -> None:
        """Use two agreements of 24 calls a day, which are one an hour; the first opens Envoy's line."""
        async with live.caller(CLINIC) as clinic:
            await live.apply(agreements=clinics(first, per_day=24))
            assert (await clinic.get(UNITS)).status_code == 200
            await until(lambda: server.envoys, what="Envoy's line")
            await live.apply(agreements=clinics(second, per_day=24))

            async def one(status: int) -> bool:
                return (await clinic.get(UNITS)).status_code == status

            assert await one(200)
            await until(lambda: one(429), what="the even pace")

    async def test_the_first_call_of_a_new_bucket_is_refused_when_the_day_is_used_up(self, live: Bus) -> None:
        """Nothing counts here, and nothing is assigned: Envoy knows by its configuration."""
        spent = Spent("H79.001", "DSA-H79.001-10", int(datetime.now(UTC).timestamp()) + 9000, Period.DAY)
        await live.apply(agreements=clinics("DSA-H79.001-10", per_day=24), spent=(spent,))
        async with live.caller(CLINIC) as clinic:
            answer = await clinic.get(UNITS)
        assert (answer.status_code, answer.json()["code"]) == (429, "daily-quota-exceeded")
        assert answer.json()["quota_of"] == "AGREEMENT"
        assert live.provider.received == []


class TestTwoEnvoys:
    async def test_together_they_keep_to_one_quota_and_what_one_had_not_reported_is_all_that_is_beyond(
        self, counted: Bus, runtime: Runtime, post: Callable[..., Any], tmp_path: Path
    ) -> None:
        number, quota, unreported = "DSA-H79.001-2", 60, 7
        await post("NDX:an", "/v1/agreements", TERMS | {"quotas": {"per_day": quota}}, 201)
        await post("NDX:an", f"/v1/agreements/{number}/submit")
        await post("G03:giang", f"/v1/agreements/{number}/approve")
        await post("NDX:an", f"/v1/agreements/{NUMBER}/terminate", {"reason": "the other tests' bucket"})
        statuses: list[int] = []

        async def call(client: httpx.AsyncClient, times: int = 1) -> None:
            statuses.extend([(await client.get(UNITS)).status_code for _ in range(times)])

        async def told() -> bool:
            return (await tally(runtime))[0] == statuses.count(200)

        async with quota_service(counted, runtime) as server, counted.caller(CLINIC) as one:
            await counted.apply(agreements=clinics("DSA-H79.001-4", per_day=24))
            await one.get(UNITS)
            await until(lambda: server.envoys, what="Envoy's line")
            await counted.apply(agreements=clinics(number, per_day=quota))
            before = assignments(counted)
            await call(one)
            await until(lambda: assignments(counted) > before, what="the first assignment")
            await call(one, 10)
            await until(told, what="a report")
            async with (
                second_envoy(counted, tmp_path) as (port, envoy),
                counted.caller(CLINIC, port=port) as other,
            ):
                await call(one)
                await until(told, what="a report")
                reported = asyncio.get_running_loop().time()
                await call(one, unreported)
                await call(other)
                await until(lambda: assignments(counted, envoy), what="the second Envoy's share")
                await asyncio.gather(call(one, quota), call(other, quota))
                assert statuses[-1] == 429
                # Where a report came in between, what was used since the one before may be given out twice.
                within = asyncio.get_running_loop().time() - reported < INTERVAL
                beyond = unreported + 2 if within else quota
                assert quota <= statuses.count(200) <= quota + beyond
                await until(told, what="the tally that says what the callers got")
                await call(one)
                await call(other)
                assert statuses[-2:] == [429, 429]


class TestMonthlyQuota:
    async def test_a_month_that_is_used_up_has_a_code_of_its_own(self, live: Bus) -> None:
        until_then = int(datetime.now(UTC).timestamp()) + 100_000
        await live.apply(
            agreements=clinics("DSA-H79.001-9", per_month=50),
            spent=(Spent("H79.001", "DSA-H79.001-9", until_then),),
        )
        async with live.caller(CLINIC) as clinic:
            answer = await clinic.get(UNITS, headers={"Accept-Language": "vi"})
        assert (answer.status_code, answer.json()["code"]) == (429, "monthly-quota-exceeded")
        assert answer.json()["title"] == "Đã hết hạn mức trong tháng"
        assert 99_900 < int(answer.headers["retry-after"]) <= 100_000
        assert live.provider.received == []

    async def test_under_a_template_each_agency_of_the_class_has_its_own(self, live: Bus) -> None:
        template = agreement(
            "DSA-CLASS_OTHER-1",
            ["population.list_admin_units"],
            consumer_agency=None,
            consumer_class=AgencyClass.OTHER,
            quotas=Quotas(per_second=900, per_month=50),
        )
        spent = Spent("H79.001", template.agreement_id, int(datetime.now(UTC).timestamp()) + 100_000)
        others = [a for a in AGREEMENTS if a.consumer_agency not in {"H79.001", "T01"}]
        await live.apply(agreements=[*others, template], spent=(spent,))
        async with live.caller(CLINIC) as clinic, live.caller("T01:core") as court:
            assert (await clinic.get(UNITS)).json()["code"] == "monthly-quota-exceeded"
            assert (await court.get(UNITS)).status_code == 200


class TestWholeAgency:
    async def test_calls_under_every_agreement_of_the_agency_use_its_quota_and_the_refusal_says_so(
        self, counted: Bus, runtime: Runtime, post: Callable[..., Any]
    ) -> None:
        """No agreement has a quota by day: not the clinic's own, nor the template that binds a court too."""
        # Envoy still has the other tests' bucket: it must not get a share here.
        await post("NDX:an", f"/v1/agreements/{NUMBER}/terminate", {"reason": "over"})
        for _ in range(2):
            await post("NDX:an", "/v1/agreements", TERMS, 201)
        await post("NDX:an", "/v1/agreements/DSA-H79.001-3/submit")
        await post("G03:giang", "/v1/agreements/DSA-H79.001-3/approve")
        whole, today = AgencyQuota("H79.001", Limits(per_day=6)), Desk(NOON).calendar.day(datetime.now(UTC))
        async with runtime.sessions() as session, session.begin():
            await repository.set_agency_limits(session, "H79.001", whole.limits, datetime.now(UTC))
        others = [a for a in AGREEMENTS if a.consumer_agency not in {"H79.001", "T01"}]
        template = agreement(
            "DSA-H79.001-3",
            ["population.list_admin_units"],
            consumer_agency=None,
            consumer_class=AgencyClass.OTHER,
        )
        own = agreement("DSA-H79.001-8", ["population.list_admin_units"])
        async with counted.caller(CLINIC) as clinic, counted.caller("T01:core") as court:
            async with quota_service(counted, runtime) as server:
                await counted.apply(agreements=clinics("DSA-H79.001-4", per_day=24))
                await clinic.get(UNITS)
                await until(lambda: server.envoys, what="Envoy's line")
                await counted.apply(agreements=[*others, template], agency_quotas=(whole,))
                before = assignments(counted)
                assert (await clinic.get(UNITS)).status_code == 200
                await until(lambda: assignments(counted) > before, what="the assignment")
                answers = [await clinic.get(UNITS) for _ in range(9)]
                served = 1 + [a.status_code for a in answers].count(200)
                assert 6 <= served <= 7  # the second call may be before the assignment
                assert answers[-1].json()["code"] == "daily-quota-exceeded"
                assert [(await court.get(UNITS)).status_code for _ in range(9)] == [200] * 9

                async def told() -> bool:
                    async with runtime.sessions() as session:
                        key = [("H79.001", WHOLE_AGENCY)]
                        rows = await repository.uses(session, [(Period.DAY.value, today)], groups=key)
                    return [(r.units, r.spent) for r in rows] == [(served, True)]

                await until(told, seconds=15, what="the tally of the whole agency")
            spent = Spent("H79.001", WHOLE_AGENCY, int(datetime.now(UTC).timestamp()) + 9000, Period.DAY)
            await counted.apply(spent=(spent,))
            refused = (await clinic.get(UNITS)).json()
            assert (refused["code"], refused["quota_of"]) == ("daily-quota-exceeded", "AGENCY")
            await counted.apply(agreements=[*others, own])
            refused = (await clinic.get(UNITS)).json()
            assert (refused["code"], refused["quota_of"]) == ("daily-quota-exceeded", "AGENCY")
            assert (await court.get(UNITS)).status_code == 403
