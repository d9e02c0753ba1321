"""Calls: each is kept once, each side sees its own, and nothing tells whose data it was about."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from gateway.calls import jobs, log_file, repository, service
from gateway.calls.lines import Call, call_of
from gateway.quotas import jobs as quota_jobs
from gateway.quotas import repository as quotas
from gateway.quotas.periods import Calendar, Period
from gateway.quotas.repository import Use
from gateway.settings import Settings
from ndx_chassis.app import Runtime
from ndx_chassis.migrations import upgrade
from ndx_testing import postgres
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


@pytest.fixture
def service_settings(service_settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return {**service_settings, "access_log": tmp_path / "access.log"}


@pytest.fixture
def now() -> datetime:
    """When the test began: what is of the last minutes is so whatever ran before it."""
    return datetime.now(UTC)


@pytest.fixture
def write(bus: FastAPI, runtime: Runtime, now: datetime) -> Do:
    """Write lines as Envoy does."""
    assert isinstance(runtime.settings, Settings)
    log = runtime.settings.access_log
    numbers = iter(range(1_000_000))

    def call(**said: Any) -> None:
        number = next(numbers)
        values: dict[str, Any] = {
            "time": (now - timedelta(minutes=5) + timedelta(seconds=number)).isoformat(),
            "caller": "urn:ndx:agency:H79.001:his",
            "agreement": "DSA-H79.001-1",
            "operation": "insurance.check",
            "purpose": "HEALTH_ENTITLEMENT",
            "method": "POST",
            "status": 200,
            "reason": "via_upstream",
            "duration_ms": 30,
            "request_out_ms": 4,
            "upstream_ms": 21,
            "bytes_in": 12,
            "bytes_out": 345,
            "request_id": f"r-{number}",
            "trace_id": None,
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values | said) + "\n")

    return call


async def found(read: Do, query: str = "") -> list[str]:
    return [item["request_id"] for item in (await read("NDX:an", f"/v1/calls?{query}"))["items"]]


class TestFollow:
    async def test_each_call_is_kept_once_however_often_the_log_is_read(
        self, write: Do, runtime: Runtime, read: Do
    ) -> None:
        write()
        write()
        await jobs.follow(runtime)
        await jobs.follow(runtime)
        write()
        await jobs.follow(runtime)
        assert await found(read) == ["r-2", "r-1", "r-0"]

    @pytest.mark.parametrize("sent_first", [False, True])
    async def test_a_log_that_is_read_here_and_sent_as_well_is_kept_and_counted_once(
        self, write: Do, runtime: Runtime, read: Do, sent_first: bool, now: datetime
    ) -> None:
        assert isinstance(runtime.settings, Settings)
        log = runtime.settings.access_log

        async def sent() -> list[str]:
            """Take in what the standby beside an Envoy sends of the same log, which has its own place."""
            piece = log_file.read(log, None)
            assert piece is not None
            async with runtime.sessions() as session, session.begin():
                kept = await service.take_in(
                    session, "envoy:envoy-1", piece, oldest=now.date() - timedelta(days=9), now=now
                )
            return [call.request_id for call in kept]

        write()
        write()
        if not sent_first:
            await jobs.follow(runtime)
        assert await sent() == (["r-0", "r-1"] if sent_first else [])
        write()
        await jobs.follow(runtime)
        assert await found(read) == ["r-2", "r-1", "r-0"]
        async with runtime.sessions() as session:
            assert await session.scalar(text("SELECT sum(calls) FROM call_hours")) == len(
                ["r-0", "r-1", "r-2"]
            )

    async def test_a_call_of_last_month_is_not_kept_and_old_days_are_dropped(
        self, write: Do, runtime: Runtime, read: Do, now: datetime
    ) -> None:
        write(time=(now - timedelta(days=40)).isoformat())
        write(time=(now - timedelta(days=20)).isoformat())
        await jobs.follow(runtime)
        async with runtime.sessions() as session, session.begin():
            await repository.add_partition(session, date(2020, 1, 1))
        await jobs.clear(runtime)
        async with runtime.sessions() as session:
            assert len(await repository.partitions(session)) == 1
        since = (now - timedelta(days=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert await found(read, f"since={since}") == ["r-1"]

    async def test_what_the_log_says_and_nobody_reported_is_added_to_the_tally(
        self, write: Do, runtime: Runtime
    ) -> None:
        now = datetime.now(UTC)
        day = Calendar().day(now)
        group = ("H79.001", "DSA-H79.001-1")
        uses = [
            Use(group, Period.DAY, day, 2, 2, 0, 100),
            Use(group, Period.MONTH, day.replace(day=1), 50, 50, 0, None),
        ]
        async with runtime.sessions() as session, session.begin():
            await quotas.count(session, uses, now)
        for _ in range(5):
            write(time=(now - timedelta(seconds=40)).isoformat())
        write(time=now.isoformat())  # too young: its report may be on the way
        write(time=(now - timedelta(seconds=40)).isoformat(), status=429, reason="rate_limited_by_quota")
        await jobs.follow(runtime)
        if Calendar().day(now - timedelta(seconds=40)) != day:
            pytest.skip("midnight in Vietnam has just passed")
        for _ in range(2):
            await quota_jobs.correct(runtime)
        async with runtime.sessions() as session:
            rows = await quotas.uses(session, [("DAY", day), ("MONTH", day.replace(day=1))])
        assert sorted((r.period, r.units, r.calls) for r in rows) == [("DAY", 5, 5), ("MONTH", 53, 53)]


class TestListCalls:
    async def test_a_call_with_x_roads_fields_and_the_template_of_its_path(
        self, write: Do, runtime: Runtime, read: Do, now: datetime
    ) -> None:
        write(time=(now - timedelta(minutes=1)).isoformat())
        await jobs.follow(runtime)
        (call,) = (await read("NDX:an", "/v1/calls"))["items"]
        times = [datetime.fromisoformat(call[f"{name}"]) for name in ("request_in", "request_out")]
        assert times[1] - times[0] == timedelta(milliseconds=4)
        back = [datetime.fromisoformat(call[f"{name}"]) for name in ("response_in", "response_out")]
        assert [b - times[0] for b in back] == [timedelta(milliseconds=25), timedelta(milliseconds=30)]
        assert (call["client_agency"], call["client_system"]) == ("H79.001", "his")
        assert (call["provider_agency"], call["service"], call["path"]) == ("G03", "insurance", "/x")
        assert (call["succeeded"], call["answered_by"]) == (True, "PROVIDER")

    async def test_filters(self, write: Do, runtime: Runtime, read: Do) -> None:
        write()
        write(caller="urn:ndx:agency:B01:core", agreement="DSA-B01-1")
        write(status=403, reason="rbac_access_denied_matched_policy[no-agreement]", agreement="no-agreement")
        write(operation="population.check", status=500)
        await jobs.follow(runtime)
        for query, expected in {
            "agency=B01": ["r-1"],
            "status=403": ["r-2"],
            "status=4xx": ["r-2"],
            "status=5xx": ["r-3"],
            "refusal=no-agreement": ["r-2"],
            "service=population": ["r-3"],
            "provider=G01": ["r-3"],
            "operation=insurance.check&status=2xx": ["r-1", "r-0"],
            "request_id=r-0": ["r-0"],
            "until=2020-01-01T00:00:00Z": [],
        }.items():
            assert await found(read, query) == expected, query

    async def test_pages_hold_every_call_once(
        self, write: Do, runtime: Runtime, read: Do, now: datetime
    ) -> None:
        for _ in range(5):
            write(time=(now - timedelta(minutes=1)).isoformat())
        await jobs.follow(runtime)
        cursor, seen = "", []
        while cursor is not None:
            page = await read("NDX:an", "/v1/calls?limit=2&cursor=" + cursor.replace("+", "%2B"))
            seen += [item["request_id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert sorted(seen) == [f"r-{n}" for n in range(5)]

    async def test_a_cursor_of_somewhere_else(self, bus: FastAPI, read: Do) -> None:
        answer = await read("NDX:an", "/v1/calls?cursor=nonsense", status=400)
        assert answer["code"] == "call-cursor-invalid"

    async def test_an_agency_sees_its_own_calls_and_those_to_its_services(
        self, write: Do, runtime: Runtime, client: httpx.AsyncClient, as_agency: Do
    ) -> None:
        write()
        write(caller="urn:ndx:agency:B01:core", operation="population.check")
        await jobs.follow(runtime)

        async def mine(agency: str, side: str = "CONSUMER") -> list[str]:
            answer = await client.get(f"/v1/calls/mine?side={side}", headers=as_agency(agency))
            return [item["request_id"] for item in answer.json()["items"]]

        assert await mine("H79.001") == ["r-0"]
        assert await mine("B01") == ["r-1"]
        assert await mine("G04") == []
        assert await mine("G03", "PROVIDER") == ["r-0"]
        assert await mine("H79.001", "PROVIDER") == []


class TestHealth:
    async def test_each_operation_with_x_roads_health_figures_of_the_last_ten_minutes(
        self, write: Do, runtime: Runtime, read: Do, now: datetime
    ) -> None:
        write(duration_ms=10, bytes_in=100, bytes_out=1_000)
        write(duration_ms=30, bytes_in=300, bytes_out=3_000)
        write(status=503, reason="no_healthy_upstream", duration_ms=20, bytes_in=200, bytes_out=2_000)
        write(status=422, duration_ms=20, bytes_in=200, bytes_out=2_000)
        write(operation="population.check")
        write(time=(now - timedelta(minutes=30)).isoformat(), status=500, duration_ms=9_000)
        await jobs.follow(runtime)
        answer = await read("NDX:an", "/v1/calls/health")
        assert answer["period_seconds"] == 600
        health, other = answer["items"]
        assert (health["provider_agency"], health["service"]) == ("G03", "insurance")
        assert (health["operation"], other["operation"]) == ("insurance.check", "population.check")
        assert (health["successful_requests"], health["unsuccessful_requests"]) == (2, 2)
        # That a caller is told of its own mistake is no failure of the provider's.
        assert health["provider_failures"] == 1
        at = [datetime.fromisoformat(health[f"last_{how}successful_at"]) for how in ("", "un")]
        assert at == [now - timedelta(minutes=5) + timedelta(seconds=n) for n in (1, 3)]
        for of, unit in (("duration_ms", 1), ("request_size", 10), ("response_size", 100)):
            found = health[of]
            assert (found["least"], found["mean"], found["most"]) == (10 * unit, 20 * unit, 30 * unit), of
            assert found["deviation"] == pytest.approx(50**0.5 * unit), of
        assert (other["successful_requests"], other["last_unsuccessful_at"]) == (1, None)
        longer = await read("NDX:an", "/v1/calls/health?period_seconds=3600&service=insurance")
        assert [one["provider_failures"] for one in longer["items"]] == [2]

    async def test_each_side_sees_its_own_only(
        self, write: Do, runtime: Runtime, client: httpx.AsyncClient, as_agency: Do
    ) -> None:
        write()
        write(caller="urn:ndx:agency:B01:core")
        await jobs.follow(runtime)

        async def mine(agency: str, side: str) -> list[int]:
            answer = await client.get(f"/v1/calls/mine/health?side={side}", headers=as_agency(agency))
            return [item["successful_requests"] for item in answer.json()["items"]]

        assert await mine("B01", "CONSUMER") == [1]
        assert await mine("G03", "PROVIDER") == [2]
        assert await mine("G01", "PROVIDER") == []

    async def test_a_period_without_end_is_refused(self, bus: FastAPI, read: Do) -> None:
        answer = await read("NDX:an", "/v1/calls/health?period_seconds=86400", status=422)
        assert answer["code"] == "invalid-input"


class TestDaysBeforeDigests:
    async def test_a_day_that_is_older_than_the_digests_keeps_each_line_once_as_well(
        self, postgres_url: str
    ) -> None:
        url = await postgres.make_empty(postgres_url)
        there = url.replace("postgresql://", "postgresql+asyncpg://", 1)
        engine = create_async_engine(there)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        # Only what the job uses of a running service: it works on a database of its own.
        runtime = cast("Runtime", SimpleNamespace(sessions=sessions))
        try:
            await asyncio.to_thread(upgrade, "gateway", there, revision="0017")
            async with sessions() as session, session.begin():
                await session.execute(text(_OLD_DAY))
                await session.execute(text(_OLD_LINES))
            await asyncio.to_thread(upgrade, "gateway", there)
            line = _line(3)
            async with sessions() as session, session.begin():
                # The day is there already, and two ways bring the same line.
                for _ in range(2):
                    await session.execute(text(_NEW_LINE), {"digest": line.line_digest})
                await session.execute(text(_HOURS))
            await jobs.guard_days(runtime)
            await jobs.guard_days(runtime)
            async with sessions() as session, session.begin():
                rows = await session.execute(text("SELECT request_id FROM calls ORDER BY id"))
                assert [row[0] for row in rows] == ["r-1", "r-2", "r-2", "r-3"]
                sums = await session.execute(
                    text("SELECT calls, duration_ms, bytes_in FROM call_hours ORDER BY outcome")
                )
                assert [tuple(row) for row in sums] == [(3, 90, 6), (1, 30, 2)]
                assert await repository.keep(session, [line, _line(4)]) == [_line(4)]
                assert await repository.unguarded(session) == []
        finally:
            await engine.dispose()
            await postgres.drop(postgres_url, url)


_OLD_DAY = (
    "CREATE TABLE calls_20260301 PARTITION OF calls FOR VALUES FROM ('2026-03-01 00:00+00') "
    "TO ('2026-03-02 00:00+00')"
)
_INSERT = "INSERT INTO calls (at, request_id, status, answered_by, duration_ms, bytes_in, bytes_out"
# The first stands there twice; two calls under one id, which the caller chose, are two.
_OLD_LINES = f"""{_INSERT}) VALUES
    ('2026-03-01 10:00:01+00', 'r-1', 200, 'PROVIDER', 30, 2, 3),
    ('2026-03-01 10:00:01+00', 'r-1', 200, 'PROVIDER', 30, 2, 3),
    ('2026-03-01 10:00:02+00', 'r-2', 200, 'PROVIDER', 30, 2, 3),
    ('2026-03-01 10:00:02+00', 'r-2', 200, 'PROVIDER', 30, 2, 4)"""
_NEW_LINE = f"""{_INSERT}, line_digest) VALUES
    ('2026-03-01 10:00:03+00', 'r-3', 503, 'PROVIDER', 30, 2, 3, :digest)"""
_HOURS = """INSERT INTO call_hours VALUES
    ('2026-03-01 10:00+00', '', '', '', 'OK', 4, 120, 30, 8, 13),
    ('2026-03-01 10:00+00', '', '', '', 'PROVIDER-5XX', 2, 60, 30, 4, 6)"""


def _line(number: int) -> Call:
    said = {
        "time": f"2026-03-01T10:00:0{number}+00:00",
        "request_id": f"r-{number}",
        "status": 503,
        "reason": "via_upstream",
        "duration_ms": 30,
        "bytes_in": 2,
        "bytes_out": 3,
    }
    call = call_of(json.dumps(said).encode())
    assert call is not None
    return call
