"""What the relay sends is what consumers read, from the tables to their handlers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from ndx_chassis import kafka, outbox, relay
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription, handle
from ndx_chassis.errors import Kind
from ndx_chassis.inbox import parcel_of, replay
from ndx_chassis.jobs import lead
from ndx_chassis.metrics import Metrics
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.events import EventData
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration


@dataclass
class Record:
    """A message as a reader gets it."""

    topic: str
    value: bytes
    key: bytes
    headers: list[tuple[str, bytes]]
    partition: int = 0


@dataclass
class Producer:
    """Stands where Kafka stands."""

    sent: list[Record] = field(default_factory=list)
    used: asyncio.Event = field(default_factory=asyncio.Event)
    batch_size: int = 16_384
    most_bytes: int = 1_048_588
    hangs_up_at: int = 1_000_000_000

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0, 1, 2}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self.batch_size, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        found = bytes(batch._build())
        if len(found) > self.hangs_up_at:
            done.set_exception(KafkaConnectionError())
            return done
        if len(found) > self.most_bytes:
            done.set_exception(MessageSizeTooLargeError())
            return done
        for m in MemoryRecords(found).next_batch():
            self.sent.append(Record(topic, m.value, m.key, list(m.headers), partition))
        self.used.set()
        done.set_result(None)
        return done


async def test_a_disclosure_arrives_at_its_reader_as_it_was_written(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(text("CREATE TABLE disclosures_all PARTITION OF disclosures DEFAULT"))
        await session.execute(
            text(
                "INSERT INTO disclosures (id, agency, system, purpose, agreement, agreement_version,"
                " operation, subjects, field_groups, outcome, request_id)"
                " VALUES ('01a221c4-2ab6-73f8-9964-78b889354d84', 'H79.001', 'his', 'HEALTH_ENTITLEMENT',"
                " 'DSA-H79.001-1', 3, 'insurance.create_entitlement_check', '{079226000017}',"
                " '{insurance_entitlement}', 'DISCLOSED', 'r-1')"
            )
        )
    producer = Producer()
    monkeypatch.setattr(relay, "AIOKafkaProducer", lambda **_: producer)
    running = asyncio.create_task(relay.Relay("insurance", database_url, "nowhere").run())
    async with asyncio.timeout(20):
        await producer.used.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    seen: list[DisclosureRecord] = []

    async def keep(_: AsyncSession, event: Event[DisclosureRecord], _runtime: Runtime) -> None:
        seen.append(event.data)

    (message,) = producer.sent
    subscription = Subscription("insurance.disclosure.v1", "ledger", {DisclosureRecord: keep})
    for _ in range(2):
        await handle(runtime, subscription, parcel_of(message))
    (record,) = seen
    assert (record.service, record.agency, record.agreement_version) == ("insurance", "H79.001", 3)
    assert (message.topic, message.key.decode()) == ("insurance.disclosure.v1", str(record.id))


@pytest.mark.parametrize("lookahead", ["read", "hidden"])
async def test_looking_for_new_rows_never_reads_through_the_old_ones(
    runtime: Runtime, database_url: str, lookahead: str
) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(text("CREATE TABLE disclosures_all PARTITION OF disclosures DEFAULT"))
        await session.execute(
            text(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, topic, payload)"
                " SELECT gen_random_uuid(), 'person', n::text, 't', 't', '{}'"
                " FROM generate_series(1, 20000) n"
            )
        )
    last = (2**60, relay._ZERO)
    connection = await asyncpg.connect(database_url, server_settings=relay._SESSION)
    try:
        rest: tuple[object, ...]
        if lookahead == "read":
            asked, rest = relay._READ.format(source="outbox"), (relay.BATCH,)
        else:
            asked, rest = relay._HIDDEN, last
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {asked}", *last, *rest))
    finally:
        await connection.close()
    assert "Seq Scan" not in plan
    assert "pk_outbox" in plan


async def test_every_event_goes_where_other_clients_look_for_its_key_in_order_through_full_batches() -> None:
    producer = Producer(batch_size=2_000)
    sizes = {n: 5_000 if n == 50 else 40 + n for n in range(200)}
    await kafka.publish(
        producer,
        [kafka.Message("t", f"key-{n % 7}".encode(), b"%d:" % n + b"x" * sizes[n], []) for n in range(200)],
    )
    numbers = [int(m.value.partition(b":")[0]) for m in producer.sent]
    assert sorted(numbers) == list(range(200))
    for key in {m.key for m in producer.sent}:
        mine = [(int(m.value.partition(b":")[0]), m.partition) for m in producer.sent if m.key == key]
        assert mine == sorted(mine)
        assert {p for _, p in mine} == {DefaultPartitioner()(key, [0, 1, 2], [0, 1, 2])}


class Long(EventData):
    """An event as long as wanted."""

    TYPE: ClassVar[str] = "test.long.v1"
    TOPIC: ClassVar[str] = "test.long.v1"
    ENTITY: ClassVar[str] = "long"
    name: str
    words: str = ""

    @property
    def key(self) -> str:
        return self.name


async def dead_ones(runtime: Runtime) -> list[tuple[str, str, str]]:
    async with runtime.sessions() as session:
        rows = await session.execute(text("SELECT consumer, error, topic FROM inbox WHERE state = 'DEAD'"))
        return [(row.consumer, row.error, row.topic) for row in rows]


async def is_all_behind(runtime: Runtime) -> bool:
    """Whether the relay has kept that it carried every event; until then it carries some once more."""
    behind = "SELECT NOT EXISTS (SELECT FROM outbox o, relay_positions p WHERE p.source = 'outbox'"
    async with runtime.sessions() as session:
        return bool(await session.scalar(text(f"{behind} AND (o.xid, o.id) > (p.xid, p.id))")))


class TestTooLarge:
    @pytest.fixture
    def carried(
        self, runtime: Runtime, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Any]:
        """Carry what waits until these have gone and so many are dead; the names of all that went."""

        async def carry(
            *awaited: str, dead: int = 0, most_bytes: int, hangs_up_at: int = 1_000_000_000
        ) -> set[str]:
            sent: list[Record] = []

            def make(*, max_batch_size: int, **_: Any) -> Producer:
                return Producer(
                    sent, batch_size=max_batch_size, most_bytes=most_bytes, hangs_up_at=hangs_up_at
                )

            monkeypatch.setattr(relay, "AIOKafkaProducer", make)
            running = asyncio.create_task(relay.Relay("test", database_url, "nowhere").run())
            names: set[str] = set()
            try:
                async with asyncio.timeout(30):
                    while not (
                        names.issuperset(awaited)
                        and len(await dead_ones(runtime)) == dead
                        and await is_all_behind(runtime)
                    ):
                        await asyncio.sleep(0.05)
                        names = {record.key.decode() for record in sent}
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            return names

        return carry

    @pytest.fixture
    def written(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
        async def write(*sizes: tuple[str, int]) -> None:
            # As if written before there was a limit.
            monkeypatch.setattr(outbox, "MOST_BYTES", 10_000_000)
            async with runtime.sessions() as session, session.begin():
                await outbox.publish(session, *(Long(name=name, words="x" * n) for name, n in sizes))

        return write

    async def test_a_change_that_is_too_large_to_be_announced_is_refused_and_not_made(
        self, runtime: Runtime
    ) -> None:
        async with runtime.sessions() as session, session.begin():
            # In bytes, not in letters.
            await outbox.publish(session, Long(name="fits", words="ế" * 330_000))
            with pytest.raises(outbox.EventTooLarge) as refused:
                await outbox.publish(session, Long(name="too-large", words="ế" * 334_000))
        assert (refused.value.code, refused.value.kind) == ("event-too-large", Kind.TOO_LARGE)
        async with runtime.sessions() as session:
            assert (await session.scalars(text("SELECT aggregateid FROM outbox"))).all() == ["fits"]

    @pytest.mark.parametrize("most_bytes", [1_048_588, 100_000])
    async def test_one_that_is_there_already_keeps_no_later_one_waiting_and_can_be_seen_and_replayed(
        self,
        runtime: Runtime,
        carried: Callable[..., Any],
        written: Callable[..., Any],
        most_bytes: int,
    ) -> None:
        await written(("a", 1_000), ("b", 2_000_000), ("c", 60_000), ("c", 60_000), ("e", 1))
        assert await carried("a", "c", "e", dead=1, most_bytes=most_bytes) == {"a", "c", "e"}
        assert await dead_ones(runtime) == [("relay", "too-large", "test.long.v1")]
        async with runtime.sessions() as session, session.begin():
            assert await replay(session) == 1
        await written(("f", 1))
        # The brokers take it now.
        assert await carried("b", "f", most_bytes=3_000_000) == {"b", "f"}

    async def test_one_for_which_a_broker_hangs_up_keeps_no_later_one_waiting(
        self,
        carried: Callable[..., Any],
        written: Callable[..., Any],
        runtime: Runtime,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A request of 100 MB gets no answer at all; tried with a Kafka of our own, here with less."""
        monkeypatch.setattr(relay, "MOST_SENT_BYTES", 2_000_000)
        await written(("a", 1_000), ("b", 2_500_000), ("c", 1))
        assert await carried("a", "c", dead=1, most_bytes=2_300_000, hangs_up_at=2_300_000) == {"a", "c"}
        assert await dead_ones(runtime) == [("relay", "too-large", "test.long.v1")]

    async def test_large_ones_do_not_go_together(self) -> None:
        """Each has its answer before the next is given to the client, which would send both at once."""
        waiting: list[asyncio.Future[None]] = []

        class Slow(Producer):
            async def send_batch(self, *_: Any, **__: Any) -> "asyncio.Future[None]":
                waiting.append(asyncio.get_running_loop().create_future())
                return waiting[-1]

        large = b"x" * (kafka.LARGE_BYTES + 1)
        messages = [kafka.Message("t", str(n).encode(), large, []) for n in range(3)]
        publishing = asyncio.create_task(kafka.publish(Slow(), messages))
        for number in range(1, 4):
            while len(waiting) < number:  # noqa: ASYNC110
                await asyncio.sleep(0)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(waiting) == number
            waiting[-1].set_result(None)
        await publishing


class TestWhatItCounts:
    async def test_trouble_and_what_was_set_aside_are_on_the_page(
        self, runtime: Runtime, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Kafka is away once, then something is wrong in the code, then an event is too large."""
        failures: list[Exception] = [KafkaConnectionError(), ValueError()]

        class Failing(Producer):
            async def start(self) -> None:
                if failures:
                    raise failures.pop(0)

        def make(*, max_batch_size: int, **_: Any) -> Producer:
            return Failing(batch_size=max_batch_size)

        monkeypatch.setattr(outbox, "MOST_BYTES", 10_000_000)
        monkeypatch.setattr(relay, "AIOKafkaProducer", make)
        async with runtime.sessions() as session, session.begin():
            await outbox.publish(session, Long(name="b", words="x" * 2_000_000))
        running = asyncio.create_task(relay.Relay("test", database_url, "nowhere", runtime.metrics).run())
        try:
            async with asyncio.timeout(30):
                while not await dead_ones(runtime):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        page = (await runtime.metrics.page(runtime)).decode()
        assert 'ndx_relay_failures_total{ndx_relay_failure="crashed"} 1.0' in page
        # Away once, and once more to look again without the event.
        assert 'ndx_relay_failures_total{ndx_relay_failure="interrupted"} ' in page
        assert "ndx_relay_set_aside_total 1.0" in page

    async def test_who_leads_says_so(self, database_url: str) -> None:
        first, second, leads, ended = Metrics(), Metrics(), asyncio.Event(), asyncio.Event()

        async def work() -> None:
            leads.set()
            await ended.wait()

        tasks = [asyncio.create_task(lead("test", database_url, [work], m)) for m in (first, second)]
        try:
            async with asyncio.timeout(30):
                await leads.wait()
                assert {first.leads, second.leads} == {True, False}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert {first.leads, second.leads} == {False}
