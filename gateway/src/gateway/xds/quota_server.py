"""The rate-limit-quota service: takes what Envoys report, counts it durably, and answers with assignments."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

import grpc
from ndx_chassis.app import Runtime
from ndx_chassis.metrics import gauge
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.quotas import service
from gateway.quotas.desk import Batch, Desk, Order, Outcome, Place
from gateway.quotas.holders import TIME_TO_LIVE, Bucket, Report
from gateway.quotas.periods import Period
from gateway.xds import protos, quota_filter
from gateway.xds.server import ENVOY_URI

_PAUSE = 0.5
"""Seconds between two attempts to count, while the store is away."""
_MOST_REPORTS = 500
"""Reports of one batch, so that a change of the configuration never waits long for its turn."""
_NEVER = 315_360_000
"""Seconds in which one token comes back: what is assigned is not refilled."""
_Blanket = protos.RateLimitStrategy.BlanketRule


def bucket_of(usage: Any) -> Bucket | None:
    """Return the bucket that a report is about, or None when it is none of ours."""
    agency, _, named = usage.bucket_id.bucket.get(quota_filter.BUCKET, "").partition(" ")
    agreement, _, cost = named.rpartition(" ")
    return Bucket(agency, agreement, int(cost)) if agency and agreement and cost.isdigit() else None


def _action(answer: Any, bucket: Bucket) -> Any:
    action = answer.bucket_action.add()
    name = f"{bucket.agency} {quota_filter.key(bucket.agreement_id, bucket.cost)}"
    action.bucket_id.bucket[quota_filter.BUCKET] = name
    return action


def _assign(answer: Any, bucket: Bucket, seconds: int) -> Any:
    assignment = _action(answer, bucket).quota_assignment_action
    assignment.assignment_time_to_live.seconds = seconds
    return assignment.rate_limit_strategy


def answer_of(order: Order, answer: Any) -> None:
    """Add what an order says to an answer.

    Envoy carries what was left of a bucket of tokens over to the next one, in proportion. A refusal of
    everything just before, in the same answer, makes the new bucket a full one.
    """
    if order.calls is None:
        _action(answer, order.bucket).abandon_action.SetInParent()
        return
    seconds = int(TIME_TO_LIVE.total_seconds())
    if not order.again or not order.calls:
        _assign(answer, order.bucket, seconds).blanket_rule = _Blanket.DENY_ALL
    if order.calls:
        tokens = _assign(answer, order.bucket, seconds).token_bucket
        tokens.max_tokens = order.calls
        tokens.tokens_per_fill.value = 1
        tokens.fill_interval.seconds = _NEVER


def even_pace(answer: Any, bucket: Bucket) -> None:
    """Give a bucket an assignment that ends at once: Envoy then keeps to the quota's even pace."""
    _assign(answer, bucket, 1).blanket_rule = _Blanket.ALLOW_ALL


class QuotaServer(protos.rlqs_pb2_grpc.RateLimitQuotaServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Serves the Envoys that are connected to this control plane; one task counts for all of them."""

    def __init__(self, runtime: Runtime, desk: Desk) -> None:
        self._runtime = runtime
        self._desk = desk
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._pending: dict[Place, Report] = {}
        self._batches: deque[Batch] = deque()
        self._numbers, self._batch_numbers = itertools.count(1), itertools.count(1)
        self._wake = asyncio.Event()
        self._waiting_since: float | None = None
        self._helped: set[Place] = set()
        """Buckets that got the fallback because nothing could be counted."""

    @property
    def envoys(self) -> int:
        """How many Envoys are connected and have such calls."""
        return len(self._streams)

    @property
    def behind_seconds(self) -> float:
        """For how long some reported use has waited to be counted."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    async def StreamRateLimitQuotas(  # noqa: N802 - the protocol's name
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        """Serve one Envoy for as long as it is connected."""
        peer = context.auth_context().get("x509_subject_alternative_name", [])
        if ENVOY_URI.encode() not in peer:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only an Envoy reports use")
        stream = next(self._numbers)
        queue = self._streams[stream] = asyncio.Queue()

        async def read() -> None:
            try:
                async for request in requests:
                    self._note(stream, request.bucket_quota_usages)
            finally:
                queue.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while True:
                answer = await queue.get()
                if answer is None:
                    return
                yield answer
        finally:
            reader.cancel()
            del self._streams[stream]
            self._desk.leave(stream)

    def _note(self, stream: int, usages: Iterable[Any]) -> None:
        """Put reports with those that wait to be counted."""
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        for usage in usages:
            bucket = bucket_of(usage)
            if bucket is None:
                continue
            place = (stream, bucket)
            before = self._pending.get(place)
            self._pending[place] = Report(
                stream,
                bucket,
                usage.num_requests_allowed + (before.allowed if before else 0),
                usage.num_requests_denied + (before.refused if before else 0),
                fresh=usage.time_elapsed.seconds == 0 or (before is not None and before.fresh),
            )
        self._wake.set()

    def _take_pending(self) -> None:
        """Close batches: what they hold and their numbers never change again."""
        waiting = list(self._pending.values())
        for first in range(0, len(waiting), _MOST_REPORTS):
            some = tuple(waiting[first : first + _MOST_REPORTS])
            self._batches.append(Batch(next(self._batch_numbers), some))
        self._pending = {}

    async def run(self) -> None:
        """Count whatever comes, and look at every bucket when a new day begins."""
        while True:
            now = datetime.now(UTC)
            midnight = self._desk.calendar.end(Period.DAY, self._desk.calendar.day(now))
            try:
                async with asyncio.timeout((midnight - now).total_seconds() + 0.01):
                    await self._wake.wait()
            except TimeoutError:
                self._look_at_all()
            self._wake.clear()
            self._take_pending()
            await self._count_all()

    def _look_at_all(self) -> None:
        for stream, bucket in self._desk.holders:
            self._pending.setdefault((stream, bucket), Report(stream, bucket, 0, 0, fresh=False))

    async def _count_all(self) -> None:
        while self._batches:
            try:
                outcome = await self._count(self._batches[0])
            except Exception as error:  # noqa: BLE001 - nothing is lost: the batch is counted later
                if is_connection_trouble(error):
                    log.warning("quota_use_not_counted", error=type(error).__name__, where=where(error))
                else:
                    log.error("quota_use_not_counted", error=type(error).__name__, where=where(error))
                self._help()
                await asyncio.sleep(_PAUSE)
                continue
            self._batches.popleft()
            self._desk.settle(outcome)
            self._send(outcome.orders)
            for stream in {place[0] for place in outcome.holders} - self._streams.keys():
                self._desk.leave(stream)
            self._helped.clear()
        # What came meanwhile has waited for less than this took.
        self._waiting_since = time.monotonic() if self._pending else None

    async def _count(self, batch: Batch) -> Outcome:
        async with self._runtime.sessions() as session, session.begin():
            outcome = await service.take_in(session, self._desk, batch, now=datetime.now(UTC))
        self._runtime.nudge()
        return outcome

    def _send(self, orders: Iterable[Order]) -> None:
        answers: dict[int, Any] = {}
        for order in orders:
            if order.stream not in answers:
                answers[order.stream] = protos.rlqs_pb2.RateLimitQuotaResponse()
            answer_of(order, answers[order.stream])
        for stream, answer in answers.items():
            if stream in self._streams:
                self._streams[stream].put_nowait(answer)

    def _help(self) -> None:
        """Give buckets without an assignment one that ends at once: Envoy then keeps to the even pace."""
        for report in (*self._batches[0].reports, *self._pending.values()):
            place = (report.stream, report.bucket)
            unknown = place not in self._desk.holders and place not in self._helped
            if unknown and report.fresh and report.stream in self._streams:
                answer = protos.rlqs_pb2.RateLimitQuotaResponse()
                even_pace(answer, report.bucket)
                self._streams[report.stream].put_nowait(answer)
                self._helped.add(place)

    async def finish(self, seconds: float = 2.0) -> None:
        """Count what has come in, before the process ends."""
        self._take_pending()
        try:
            async with asyncio.timeout(seconds):
                await self._count_all()
        except TimeoutError:
            log.error("quota_use_lost", batches=len(self._batches))


class QuotaAlarms(Collector):
    """Shows on the page of metrics how far the tally is behind; asks no database."""

    def __init__(self, server: QuotaServer) -> None:
        self._server = server

    def collect(self) -> Iterable[Metric]:
        """Return the one gauge."""
        words = "For how long use that an Envoy reported has waited to be counted."
        yield gauge("ndx_quota_tally_behind_seconds", words, {(): self._server.behind_seconds})


class EvenPace(protos.rlqs_pb2_grpc.RateLimitQuotaServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Stands in while there is no control plane: counts nothing, and opens the gate for nobody."""

    def __init__(self) -> None:
        self.envoys = 0

    async def StreamRateLimitQuotas(  # noqa: N802 - the protocol's name
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        """Let new buckets keep to the even pace; those that have an assignment go on with it."""
        del context
        self.envoys += 1
        try:
            async for report in requests:
                answer = protos.rlqs_pb2.RateLimitQuotaResponse()
                for usage in report.bucket_quota_usages:
                    bucket = bucket_of(usage)
                    if bucket is not None and usage.time_elapsed.seconds == 0:
                        even_pace(answer, bucket)
                if answer.bucket_action:
                    yield answer
        finally:
            self.envoys -= 1
