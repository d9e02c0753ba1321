"""Reads Kafka: the topics of a group, with offsets after effects."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from ndx_chassis.consumer import Subscription, handle_or_park, handle_together
from ndx_chassis.inbox import parcel_of
from ndx_chassis.kafka import CLIENT_SECONDS, FETCH_WAIT_MS, RETRY_MS, close, is_stopped, moved, soon
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.settings import kafka_client
from ndx_chassis.telemetry import log

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

COMMIT_SECONDS = 1.0
"""Offsets are committed at most this often: what a crash repeats, the inbox knows already."""

GATHER_SECONDS = 0.15
"""Least time between two fetches of a group that handles events together: many small transactions cost
several times what one of the same rows costs. The first event after a pause is handled at once, and after a
full fetch more waits already."""
_MOST = 500
"""Records of a fetch."""


_Records = list["ConsumerRecord[bytes, bytes]"]
_Batches = dict[TopicPartition, _Records]


def by_group(subscriptions: Sequence[Subscription]) -> dict[str, list[Subscription]]:
    """Put the subscriptions of each consumer group together."""
    groups: dict[str, list[Subscription]] = {}
    for subscription in subscriptions:
        groups.setdefault(subscription.group, []).append(subscription)
    return groups


class _Offsets(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """What was handled and is not committed yet."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._handled: dict[TopicPartition, int] = {}
        self._committed_at = time.monotonic()

    def handled(self, partition: TopicPartition, offset: int) -> None:
        """Note that everything up to `offset` had its effect."""
        self._handled[partition] = offset + 1

    async def commit_if_due(self) -> bool:
        """Commit when it is time to; tell whether it was."""
        due = time.monotonic() - self._committed_at >= COMMIT_SECONDS
        if due:
            await self.commit()
        return due

    async def commit(self) -> None:
        """Tell Kafka how far this group is."""
        if self._handled:
            handled, self._handled = self._handled, {}
            await soon(self._consumer.commit(handled))
        self._committed_at = time.monotonic()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        del revoked
        try:
            await self.commit()
        except KafkaError as error:
            # Another process repeats what was not committed; the inbox makes that harmless.
            log.warning("offsets_not_committed", error=type(error).__name__)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        del assigned
        self._handled.clear()


class Reader:
    """Reads the topics of one group: partitions side by side, offsets after effects."""

    def __init__(self, runtime: "Runtime", subscriptions: Sequence[Subscription], servers: str) -> None:
        self._runtime = runtime
        self._group = subscriptions[0].group
        self._subscriptions = {subscription.topic: subscription for subscription in subscriptions}
        self._servers = servers
        self._gathers = any(subscription.together for subscription in subscriptions)

    async def run(self) -> None:
        """Run until cancelled; Kafka or the database being away only delays."""
        delay = 0.2
        while True:
            started = time.monotonic()
            try:
                await self._session()
            except (Exception, asyncio.CancelledError) as error:
                if is_stopped():
                    raise
                expected = isinstance(error, (KafkaError, OSError, asyncio.CancelledError))
                if not expected and not is_connection_trouble(error):
                    log.error("consumer_crashed", error=type(error).__name__, where=where(error))
                log.warning("consumer_interrupted", group=self._group, error=type(error).__name__)
                if time.monotonic() - started > 10 * delay:
                    delay = 0.2
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _session(self) -> None:
        consumer = AIOKafkaConsumer(
            **kafka_client(self._servers),
            group_id=f"ndx-{self._group}",
            client_id=f"ndx-{self._group}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=_MOST,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            retry_backoff_ms=RETRY_MS,
            session_timeout_ms=10_000,
            metadata_max_age_ms=30_000,
        )
        offsets = _Offsets(consumer)
        consumer.subscribe(list(self._subscriptions), listener=offsets)
        try:
            await soon(consumer.start(), 2 * CLIENT_SECONDS)
            ends: dict[TopicPartition, int] = {}
            proven_at = time.monotonic()
            while True:
                # An idle stretch ends in time to commit what the last busy one handled.
                batches = await consumer.getmany(timeout_ms=int(COMMIT_SECONDS * 1000))
                fetched_at = time.monotonic()
                if batches:
                    await asyncio.gather(*(work(offsets) for work in self._work(batches)))
                if await offsets.commit_if_due():
                    self._runtime.metrics.lags(self._group, await _lags(consumer))
                if not batches and fetched_at - proven_at > CLIENT_SECONDS:
                    ends = await soon(_prove(consumer, next(iter(self._subscriptions)), ends))
                    proven_at = time.monotonic()
                if self._gathers and 0 < sum(map(len, batches.values())) < _MOST:
                    await asyncio.sleep(GATHER_SECONDS - (time.monotonic() - fetched_at))
        finally:
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await soon(offsets.commit(), 2)
            await close(consumer)

    def _work(self, batches: _Batches) -> list[Callable[[_Offsets], Awaitable[None]]]:
        """Share a fetch out: partitions side by side, but one piece for a topic handled together."""
        together: dict[str, _Batches] = {}
        work: list[Callable[[_Offsets], Awaitable[None]]] = []
        for partition, records in batches.items():
            if self._subscriptions[partition.topic].together:
                together.setdefault(partition.topic, {})[partition] = records
            else:
                work.append(partial(self._one_by_one, partition, records))
        return work + [partial(self._together, topic, parts) for topic, parts in together.items()]

    async def _together(self, topic: str, batches: _Batches, offsets: _Offsets) -> None:
        parcels = [parcel_of(record) for records in batches.values() for record in records]
        await handle_together(self._runtime, self._subscriptions[topic], parcels)
        for partition, records in batches.items():
            offsets.handled(partition, records[-1].offset)

    async def _one_by_one(self, partition: TopicPartition, records: _Records, offsets: _Offsets) -> None:
        for record in records:
            await handle_or_park(self._runtime, self._subscriptions[partition.topic], parcel_of(record))
            offsets.handled(partition, record.offset)


async def _lags(consumer: AIOKafkaConsumer) -> dict[tuple[str, int], int]:
    """Return how far behind its end each assigned partition is, by what the last fetch said of the end."""
    behind = {}
    for partition in consumer.assignment():
        end = consumer.highwater(partition)
        if end is not None:
            behind[partition.topic, partition.partition] = max(end - await consumer.position(partition), 0)
    return behind


async def _prove(
    consumer: AIOKafkaConsumer, topic: str, before: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Ask the group's coordinator and the partitions' leaders; return the partitions' ends.

    Raises:
        TimeoutError: nothing came of what was there at the last proof, `before`.
    """
    await consumer.committed(TopicPartition(topic, 0))
    mine = consumer.assignment()
    return await moved(consumer, mine, before) if mine else {}
