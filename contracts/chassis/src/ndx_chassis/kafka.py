"""What every user of the Kafka client needs: an end to waiting, full batches, compacted topics in memory."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from ndx_contracts.events import envelope as ce

from ndx_chassis.settings import kafka_client
from ndx_chassis.telemetry import log

FETCH_WAIT_MS = 1_000
"""An idle fetch waits this long at the broker. It answers at once when something comes, but to the partitions
that it named: one whose records were being handled meanwhile waits for the next fetch."""
RETRY_MS = 500
"""Pause between tries while Kafka is away: many clients that ask at once would keep it from coming back."""
CLIENT_SECONDS = 15.0
"""What the client is asked must be answered within this time, and a consumer that got nothing proves as often
that it still can: its tasks may wait for each other for ever."""
STOP_SECONDS = 5.0

LARGE_BYTES = 1_000_000
"""A message beyond it has its answer before the next is sent: a request of 100 MB makes a broker hang up."""

_AnswerT = TypeVar("_AnswerT")


async def soon(asked: Awaitable[_AnswerT], seconds: float | None = None) -> _AnswerT:
    """Wait for the client, not for ever. `asyncio.wait_for` would wait on until a cancelled call has ended.

    Raises:
        TimeoutError: no answer within `seconds`, `CLIENT_SECONDS` if not given.
    """
    task = asyncio.ensure_future(asked)
    try:
        done, _ = await asyncio.wait({task}, timeout=CLIENT_SECONDS if seconds is None else seconds)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError
    return task.result()


def is_stopped() -> bool:
    """Tell whether this task is to end. A cancellation does not say so: the client's tasks cancel each other.

    After a broker's crash one such cancellation ended a consumer for ever, without a word. And an end that
    came while the client was being closed may have left no cancellation to see.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def close(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer and close its connections, whatever state it is in."""
    try:
        await soon(consumer.stop(), STOP_SECONDS)
    except (Exception, asyncio.CancelledError):
        if is_stopped():
            raise
        for part in (consumer._fetcher, consumer._client):  # noqa: SLF001 - so the rest by hand
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await soon(part.close(), STOP_SECONDS)


async def moved(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], before: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return the partitions' ends, asked of their leaders.

    Raises:
        TimeoutError: the consumer did not even come to the ends of last time, `before`.
    """
    for partition in partitions:
        if before.get(partition, 0) > await consumer.position(partition):
            raise TimeoutError
    ends: dict[TopicPartition, int] = await consumer.end_offsets(list(partitions))
    return ends


async def follow(
    topic: str, servers: str, take: Callable[[bytes], Awaitable[None]], caught_up: asyncio.Event
) -> None:
    """Read a compacted topic from its start, for ever, into this process's memory.

    What a later message of its key had superseded when the reading began is not taken: the broker keeps such
    messages for a while, and memory would go through the past again, with calls refused and allowed by it.
    """
    while True:
        consumer = None
        try:
            consumer = AIOKafkaConsumer(
                **kafka_client(servers),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=FETCH_WAIT_MS,
                retry_backoff_ms=RETRY_MS,
            )
            await soon(consumer.start(), 2 * CLIENT_SECONDS)
            parts = [
                TopicPartition(topic, p)
                for p in consumer.partitions_for_topic(topic) or await _partitions(consumer, topic)
            ]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            proven_at = time.monotonic()
            await _take_newest(consumer, ends, take)
            caught_up.set()
            while True:
                batches = await consumer.getmany(timeout_ms=2_000)
                if not batches and time.monotonic() - proven_at > CLIENT_SECONDS:
                    ends = await soon(moved(consumer, parts, ends))
                    proven_at = time.monotonic()
                for records in batches.values():
                    for record in records:
                        if record.value is not None:
                            await take(record.value)
        except (Exception, asyncio.CancelledError) as error:
            if is_stopped():
                raise
            log.warning("follower_interrupted", topic=topic, error=type(error).__name__)
            await asyncio.sleep(1)
        finally:
            if consumer is not None:
                await close(consumer)


async def _take_newest(
    consumer: AIOKafkaConsumer,
    ends: dict[TopicPartition, int],
    take: Callable[[bytes], Awaitable[None]],
) -> None:
    """Read up to the ends, then take each key's last message, in the order of the topic."""
    newest: dict[object, bytes] = {}
    asked_at = time.monotonic()
    while not all([await consumer.position(p) >= end for p, end in ends.items()]):
        batches = await consumer.getmany(timeout_ms=2_000)
        if batches:
            asked_at = time.monotonic()
        elif time.monotonic() - asked_at > CLIENT_SECONDS:
            raise TimeoutError
        for records in batches.values():
            for record in records:
                key = (record.partition, record.offset) if record.key is None else record.key
                newest.pop(key, None)
                if record.value is not None:
                    newest[key] = record.value
    for value in newest.values():
        await take(value)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.add_topic(topic)  # noqa: SLF001 - aiokafka has no public way to ask for one topic
    found = consumer.partitions_for_topic(topic)
    if not found:
        raise KafkaError(f"topic {topic} does not exist")
    return set(found)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    place: Callable[[bytes], int] = murmur2
    """What of the key chooses the partition. Events have the hash that every Kafka client has, in Python;
    records, of which there are many and no two are ordered, one that costs a fiftieth."""

    @property
    def id(self) -> bytes:
        return dict(self.headers).get(ce.CE_ID, b"")


class MessagesRefused(KafkaError):  # type: ignore[misc]  # the library is untyped
    """The brokers take no messages of this size: those that went alone, and whether others went together."""

    def __init__(self, batches: Iterable[Sequence[Message]]) -> None:
        super().__init__()
        batches = list(batches)
        self.alone = {batch[0].id for batch in batches if len(batch) == 1}
        self.together = any(len(batch) > 1 for batch in batches)


async def publish(producer: AIOKafkaProducer, messages: Iterable[Message]) -> None:
    """Send messages, in order within their partitions, and wait until the brokers have them.

    We fill the batches: the client's `send` costs more for each message than answering a lookup does.

    Raises:
        MessagesRefused: some are too large; whether the others have arrived is not known.
    """
    numbers: dict[str, int] = {}
    filling: dict[tuple[str, int], tuple[BatchBuilder, list[Message]]] = {}
    sent: list[tuple[asyncio.Future[object], list[Message]]] = []

    async def send(topic: str, partition: int) -> None:
        batch, members = filling.pop((topic, partition))
        batch.close()
        future = await producer.send_batch(batch, topic, partition=partition)
        sent.append((future, members))
        if batch.size() > LARGE_BYTES:
            await asyncio.wait([future])

    for message in messages:
        if message.topic not in numbers:
            numbers[message.topic] = len(await producer.partitions_for(message.topic))
        place = (message.topic, (message.place(message.key) & 0x7FFFFFFF) % numbers[message.topic])
        if place in filling and not _fits(filling[place][0], message):
            await send(*place)
        if place not in filling:
            filling[place] = (producer.create_batch(), [])
            _fits(filling[place][0], message)
        filling[place][1].append(message)
    for place in list(filling):
        await send(*place)
    answers = await asyncio.gather(*(future for future, _ in sent), return_exceptions=True)
    _look_at(sent, answers)


def _look_at(sent: Sequence[tuple[object, list[Message]]], answers: Sequence[object]) -> None:
    too_large = [isinstance(answer, MessageSizeTooLargeError) for answer in answers]
    if any(too_large):
        raise MessagesRefused(batch for (_, batch), refused in zip(sent, too_large, strict=True) if refused)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer


def _fits(batch: BatchBuilder, message: Message) -> bool:
    """Put a message into a batch; tell whether it had room. An empty one takes a message of any size."""
    added = batch.append(timestamp=None, key=message.key, value=message.value, headers=message.headers)
    return added is not None
