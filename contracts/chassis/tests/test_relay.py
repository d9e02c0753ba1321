"""What the relay sends is what consumers read, from the tables to their handlers."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from ndx_chassis import relay
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription, handle
from ndx_chassis.inbox import parcel_of
from ndx_contracts.disclosure import DisclosureRecord
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

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def partitions_for(self, _topic: str) -> set[int]:
        return {0, 1, 2}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self.batch_size, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        for m in MemoryRecords(bytes(batch._build())).next_batch():
            self.sent.append(Record(topic, m.value, m.key, list(m.headers), partition))
        self.used.set()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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
    await relay.publish(
        producer,
        [relay._Message("t", f"key-{n % 7}".encode(), b"%d:" % n + b"x" * sizes[n], []) for n in range(200)],
    )
    numbers = [int(m.value.partition(b":")[0]) for m in producer.sent]
    assert sorted(numbers) == list(range(200))
    for key in {m.key for m in producer.sent}:
        mine = [(int(m.value.partition(b":")[0]), m.partition) for m in producer.sent if m.key == key]
        assert mine == sorted(mine)
        assert {p for _, p in mine} == {DefaultPartitioner()(key, [0, 1, 2], [0, 1, 2])}
