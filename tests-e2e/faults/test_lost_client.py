"""A Kafka client that lost itself is replaced; who begins, begins today; what is too large is named."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NodeNotReadyError
from ndx_chassis import kafka, reader
from ndx_chassis.consumer import Subscription
from ndx_chassis.metrics import Metrics

SECONDS = 120


def lose_coordinator(consumer: AIOKafkaConsumer) -> None:
    """Let the group's coordinator be unknown, and every wait for metadata be one without an end."""

    async def not_ready(*_: object) -> None:
        raise NodeNotReadyError

    consumer._client.coordinator_lookup = not_ready
    consumer._client.force_metadata_update = asyncio.Future
    consumer._coordinator.coordinator_dead()


def lose_group(consumer: AIOKafkaConsumer) -> None:
    """Let one of the client's tasks be cancelled by another, which it takes for the caller's own end."""
    consumer._coordinator._coordination_task.cancel()


def lose_fetcher(consumer: AIOKafkaConsumer) -> None:
    """Let nothing be fetched any more, while the group's coordinator is content."""
    consumer._fetcher._fetch_task.cancel()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaConsumer]:
    made: list[AIOKafkaConsumer] = []

    def make(**settings: object) -> AIOKafkaConsumer:
        made.append(AIOKafkaConsumer(**settings))
        return made[-1]

    for module in (kafka, reader):
        monkeypatch.setattr(module, "AIOKafkaConsumer", make)
        monkeypatch.setattr(module, "CLIENT_SECONDS", 1.5)
    return made


@asynccontextmanager
async def made_topic(servers: str) -> AsyncIterator[tuple[str, AIOKafkaProducer]]:
    """Give a topic of two partitions, and a producer."""
    topic = f"test.lost-client-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        yield topic, producer
    finally:
        await producer.stop()


async def survive(
    servers: str, clients: list[AIOKafkaConsumer], lose: Callable[[AIOKafkaConsumer], None], kind: str
) -> list[bytes]:
    seen: list[bytes] = []
    async with made_topic(servers) as (topic, producer), asyncio.timeout(SECONDS):
        if kind == "follower":

            async def take(value: bytes) -> None:
                seen.append(value)

            work = kafka.follow(topic, servers, take, asyncio.Event())
        else:
            runtime: Any = SimpleNamespace(metrics=Metrics(), seen=seen)
            work = reader.Reader(runtime, [Subscription(topic, topic)], servers).run()
        async with running(work):
            await producer.send_and_wait(topic, b"before", partition=0)
            while b"before" not in seen:  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.05)
            lost = len(clients)
            lose(clients[-1])
            count = 0
            # What was under way when it lost itself may still arrive.
            while len(clients) == lost:
                await producer.send_and_wait(topic, b"after", partition=1)
                count += 1
                await asyncio.sleep(0.2)
            while seen.count(b"after") < count:  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.05)
    return seen


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let it run meanwhile."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def send_too_large(servers: str) -> kafka.MessagesRefused:
    async with made_topic(servers) as (topic, _), asyncio.timeout(SECONDS):
        producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            words = {b"small": b"x", b"large": b"x" * 2_000_000, b"last": b"x"}
            sent = [kafka.Message(topic, b"key", words[name], [("ce_id", name)]) for name in words]
            with pytest.raises(kafka.MessagesRefused) as refused:
                await kafka.publish(producer, sent)
        finally:
            await producer.stop()
    return refused.value


def test_what_the_brokers_refuse_for_its_size_is_named(system) -> None:
    refused = asyncio.run(send_too_large(system.description["env"]["KAFKA_BOOTSTRAP_SERVERS"]))
    assert (refused.alone, refused.together) == ({b"large"}, False)


@pytest.mark.parametrize(
    ("lose", "kind"),
    [
        (lose_group, "reader"),
        (lose_coordinator, "reader"),
        (lose_fetcher, "reader"),
        (lose_fetcher, "follower"),
    ],
)
def test_it_is_replaced(system, monkeypatch: pytest.MonkeyPatch, clients, lose, kind: str) -> None:
    async def handle(runtime: SimpleNamespace, _subscription: Subscription, parcel: bytes) -> None:
        runtime.seen.append(parcel)

    monkeypatch.setattr(reader, "handle_or_park", handle)
    monkeypatch.setattr(reader, "parcel_of", lambda record: record.value)
    servers = system.description["env"]["KAFKA_BOOTSTRAP_SERVERS"]
    seen = asyncio.run(survive(servers, clients, lose, kind))
    assert set(seen) == {b"before", b"after"}


async def follow_from_the_middle(servers: str) -> list[list[bytes]]:
    """Return what a follower took when it began, and what it had taken at the end."""
    taken: list[bytes] = []
    caught_up = asyncio.Event()

    async def take(value: bytes) -> None:
        taken.append(value)

    async with made_topic(servers) as (topic, producer), asyncio.timeout(SECONDS):
        for key, value in (
            (b"a", b"a: active"),
            (b"b", b"b: active"),
            (b"a", b"a: suspended"),
            (b"c", b"c: active"),
            (b"b", b"b: active again"),
            (b"c", None),
            (b"a", b"a: closed"),
        ):
            await producer.send_and_wait(topic, value, key=key, partition=key[0] % 2)
        async with running(kafka.follow(topic, servers, take, caught_up)):
            await caught_up.wait()
            at_first = list(taken)
            for value in (b"b: suspended", b"b: active for ever"):
                await producer.send_and_wait(topic, value, key=b"b", partition=0)
            while b"b: active for ever" not in taken:  # noqa: ASYNC110 - another task fills it
                await asyncio.sleep(0.05)
    return [at_first, taken]


def test_who_begins_to_follow_does_not_go_through_the_past(system) -> None:
    servers = system.description["env"]["KAFKA_BOOTSTRAP_SERVERS"]
    at_first, taken = asyncio.run(follow_from_the_middle(servers))
    assert sorted(at_first) == [b"a: closed", b"b: active again"]
    assert taken[2:] == [b"b: suspended", b"b: active for ever"]
