"""What a service counts of itself, and the page that shows it: never who was asked about, only how much.

`GET /metrics` on the service's own port answers in Prometheus' text form to whoever holds a certificate that
the port accepts. Names and labels are OpenTelemetry's, written the Prometheus way; `contracts/telemetry/`
declares them.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_ROWS = 10_000
"""A longer backlog is shown as this many rows: its age says the rest, and asking must stay cheap."""
SECONDS = 3.0
_NOBODY = "unknown"

Source = Callable[["Runtime", AsyncSession], Awaitable[Iterable[Metric]]]
"""Asks the database, at the moment of the page, for what cannot be counted as it happens."""

_BACKLOG = """
SELECT source, rows, coalesce(extract(epoch FROM clock_timestamp() - oldest), 0) AS seconds FROM (
    SELECT 'outbox' AS source, count(*) AS rows, min(created_at) AS oldest FROM (
        SELECT created_at FROM outbox WHERE (xid, id) > (
            coalesce((SELECT xid FROM relay_positions WHERE source = 'outbox'), 0),
            coalesce((SELECT id FROM relay_positions WHERE source = 'outbox'), :nil)
        ) ORDER BY xid, id LIMIT :most
    ) AS behind
    UNION ALL
    SELECT 'disclosures', count(*), min(occurred_at) FROM (
        SELECT occurred_at FROM disclosures WHERE (xid, id) > (
            coalesce((SELECT xid FROM relay_positions WHERE source = 'disclosures'), 0),
            coalesce((SELECT id FROM relay_positions WHERE source = 'disclosures'), :nil)
        ) ORDER BY xid, id LIMIT :most
    ) AS behind
) AS found
"""
_INBOX = (
    "SELECT consumer, state, count(*) AS events FROM inbox WHERE state <> 'DONE' GROUP BY consumer, state"
)


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it without types
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._durations = Histogram(
            "http_server_request_duration_seconds",
            "Duration of served requests by route and status.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._refusals = Counter(
            "ndx_refusals", "Problems answered, by code.", ("ndx_problem_code",), registry=self.registry
        )
        self._disclosures = Counter(
            "ndx_disclosures",
            "Disclosure records carried to Kafka, by operation and outcome.",
            ("ndx_operation", "ndx_outcome"),
            registry=self.registry,
        )
        self._relay_failures = Counter(
            "ndx_relay_failures",
            "Sessions of the relay that ended early: Kafka or the database was away, or it crashed.",
            ("ndx_relay_failure",),
            registry=self.registry,
        )
        self.set_aside = Counter(
            "ndx_relay_set_aside",
            "Events that Kafka does not take for their size, put with the dead letters.",
            registry=self.registry,
        )
        for kind in ("interrupted", "crashed"):
            # A line that is not there before it counts for the first time shows no increase.
            self._relay_failures.labels(kind)
        self.leads = False
        """Whether relay and jobs run in this process."""
        # Looking a labelled child up costs more than counting in it.
        self._by_route: dict[tuple[str, str, int], Histogram] = {}
        self._lags: dict[str, Mapping[tuple[str, int], int]] = {}
        self.sources: list[Source] = [_of_relay, _of_inbox]

    def request_ended(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a served request; one without a route shares one line whatever its method."""
        key = (_NOBODY if route is None else method, route or _NOBODY, status)
        child = self._by_route.get(key)
        if child is None:
            child = self._by_route[key] = self._durations.labels(*key)
        child.observe(seconds)

    def refused(self, code: str) -> None:
        """Count a problem that was answered."""
        self._refusals.labels(code).inc()

    def disclosed(self, records: Iterable[tuple[str, str]]) -> None:
        """Count carried disclosure records: pairs of operation and outcome."""
        for (operation, outcome), number in Tally(records).items():
            self._disclosures.labels(operation, outcome).inc(number)

    def relay_failed(self, kind: str) -> None:
        """Count a session of the relay that was `interrupted` or `crashed`."""
        self._relay_failures.labels(kind).inc()

    def lags(self, group: str, behind: Mapping[tuple[str, int], int]) -> None:
        """Say how many messages each partition that a group reads here is behind."""
        self._lags[group] = behind

    async def page(self, runtime: "Runtime") -> bytes:
        """Return the whole page; what the database cannot be asked now is left out, and that is shown."""
        leads = gauge("ndx_leading", "1 in the process that runs relay and jobs.", {(): int(self.leads)})
        asked: list[Metric] = [self._lag_family(), leads]
        complete = 1
        try:
            async with asyncio.timeout(SECONDS), runtime.sessions() as session:
                for source in self.sources:
                    asked.extend(await source(runtime, session))
        except (SQLAlchemyError, OSError, TimeoutError):
            complete = 0
        asked.append(
            gauge("ndx_metrics_complete", "1 when the database answered for this page.", {(): complete})
        )
        now = CollectorRegistry(support_collectors_without_names=True)
        now.register(_Asked(asked))
        return generate_latest(self.registry) + generate_latest(now)

    def _lag_family(self) -> Metric:
        values: dict[tuple[str, ...], float] = {
            (group, topic, str(partition)): lag
            for group, behind in self._lags.items()
            for (topic, partition), lag in behind.items()
        }
        labels = (
            "messaging_consumer_group_name",
            "messaging_destination_name",
            "messaging_destination_partition_id",
        )
        return gauge("ndx_consumer_lag", "Messages behind the end of a partition.", values, labels)


class _Asked(Collector):
    """Metrics that were asked for this one page."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._found


def gauge(
    name: str, words: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    """Return a gauge with its values by label values."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


async def _of_relay(_runtime: "Runtime", session: AsyncSession) -> Iterable[Metric]:
    asked = {"most": MOST_ROWS, "nil": "00000000-0000-0000-0000-000000000000"}
    rows = (await session.execute(text(_BACKLOG), asked)).all()
    label = ("ndx_relay_source",)
    return [
        gauge(
            "ndx_relay_backlog",
            f"Committed rows not yet in Kafka, {MOST_ROWS} at most.",
            {(r.source,): r.rows for r in rows},
            label,
        ),
        gauge(
            "ndx_relay_lag_seconds",
            "Age of the oldest committed row not yet in Kafka.",
            {(r.source,): float(r.seconds) for r in rows},
            label,
        ),
    ]


async def _of_inbox(_runtime: "Runtime", session: AsyncSession) -> Iterable[Metric]:
    rows = (await session.execute(text(_INBOX))).all()
    values: dict[tuple[str, ...], float] = {(r.consumer, r.state): r.events for r in rows}
    labels = ("ndx_consumer", "ndx_inbox_state")
    return [gauge("ndx_inbox_events", "Events waiting for another attempt, or dead.", values, labels)]


router = APIRouter(tags=["health"])


@router.get("/metrics", include_in_schema=False)
async def show_metrics(request: Request) -> Response:
    runtime: Runtime = request.app.state.runtime
    return Response(await runtime.metrics.page(runtime), media_type=CONTENT_TYPE_LATEST)
