"""`relay`: committed events to Kafka, acks=all; the ceiling is the same producer sending the same bytes.

Two figures: how fast a full outbox is carried away, beside aiokafka with the messages in memory; and the time
from commit to consumer while transactions with one event each are committed at a fixed rate.
"""

import asyncio
import contextlib
import json
import multiprocessing
import time
from multiprocessing.queues import Queue
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from harness import Result, Round, result, timed
from ndx_chassis import relay as chassis
from ndx_chassis.ids import new_id
from ndx_contracts.events import envelope as ce
from system import System, migrated_copy

ROUNDS, EVENTS = 5, 30_000
RATE, RATE_SECONDS, WRITERS = 2_000, 8, 24
TOPIC, PARTITIONS = "bench.relay.v1", 6
_PAYLOAD = json.dumps(
    {
        "person_id": "01900000-0000-7000-8000-000000000000",
        "personal_id": "000000000000",
        "changed": ["birth_name", "birth_date", "sex", "family_relations"],
        "version": 1,
        "province_code": "79",
        "commune_code": "26740",
        "recorded_at": "2026-11-28T10:00:00.000000Z",
    }
)
_COLUMNS = "id, aggregatetype, aggregateid, type, topic, payload, headers"
_FILL = (
    f"INSERT INTO outbox ({_COLUMNS}) SELECT uuidv7(), 'person', uuidv7()::text, $1, $1, $2,"
    ' \'{"traceparent": "00-00000000000000000000000000000001-0000000000000001-00"}\''
    " FROM generate_series(1, $3::int)"
)
_REACHED = "SELECT id FROM relay_positions WHERE source = 'outbox'"
_ONE = f"INSERT INTO outbox ({_COLUMNS}) VALUES ($1, 'person', $1::uuid::text, $2, $2, $3, '{{}}')"


async def _topic(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        with contextlib.suppress(Exception):
            await admin.delete_topics([TOPIC])
            await asyncio.sleep(1)
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    finally:
        await admin.close()


async def _drain(connection: asyncpg.Connection, dsn: str, servers: str) -> float:
    """Return the seconds in which the relay empties a full outbox, its start included."""
    await connection.execute("TRUNCATE outbox; TRUNCATE relay_positions")
    await connection.execute(_FILL, TOPIC, _PAYLOAD, EVENTS)
    last = await connection.fetchval("SELECT id FROM outbox ORDER BY xid DESC, id DESC LIMIT 1")
    started = time.perf_counter()
    carrying = asyncio.create_task(chassis.Relay("bench", dsn, servers).run())
    try:
        while last != await connection.fetchval(_REACHED):  # noqa: ASYNC110 - a row of the database
            await asyncio.sleep(0.01)
        return time.perf_counter() - started
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


async def _from_memory(connection: asyncpg.Connection, servers: str) -> float:
    """Return the seconds in which the same messages are sent by a producer with the same settings."""
    rows = await connection.fetch("SELECT * FROM outbox ORDER BY xid, id")
    messages = [chassis._event_message("bench", row) for row in rows]
    started = time.perf_counter()
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=262_144,
        request_timeout_ms=10_000,
    )
    await producer.start()
    try:
        sends = [await producer.send(m.topic, m.value, key=m.key, headers=m.headers) for m in messages]
        await asyncio.gather(*sends)
        return time.perf_counter() - started
    finally:
        await producer.stop()


async def _throughput(dsn: str, servers: str) -> list[Round]:
    connection = await asyncpg.connect(dsn)
    rounds = []
    try:
        await _drain(connection, dsn, servers)
        for _ in range(ROUNDS):
            own = time.process_time()
            took = await _drain(connection, dsn, servers)
            middle = time.process_time()
            top = await _from_memory(connection, servers)
            after = time.process_time()
            made = Round(EVENTS / took, ceiling=EVENTS / top)
            made.cpu_us = {"relay": (middle - own) / EVENTS * 1e6}
            made.ceiling_cpu_us = {"producer": (after - middle) / EVENTS * 1e6}
            rounds.append(made)
    finally:
        await connection.close()
    return rounds


async def _consume(servers: str, count: int, ready: Any) -> dict[str, float]:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=servers, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)
    ready.set()
    seen: dict[str, float] = {}
    try:
        while len(seen) < count:
            batches = await consumer.getmany(timeout_ms=15_000)
            if not batches:
                break
            now = time.time()
            for records in batches.values():
                for record in records:
                    seen[dict(record.headers)[ce.CE_ID].decode()] = now
    finally:
        await consumer.stop()
    return seen


def _consumer(servers: str, count: int, ready: Any, out: "Queue[dict[str, float]]") -> None:
    """Run in a process of its own, as consumers do."""
    out.put(asyncio.run(_consume(servers, count, ready)))


async def _write(dsn: str, servers: str, count: int) -> tuple[dict[str, float], float]:
    """Commit events at the rate, with the relay in the same process as in a service; return commit times."""
    pool = await asyncpg.create_pool(dsn, min_size=WRITERS, max_size=WRITERS)
    relay = chassis.Relay("bench", dsn, servers)
    carrying = asyncio.create_task(relay.run())
    await asyncio.sleep(1)
    committed: dict[str, float] = {}
    started, numbers = time.perf_counter(), iter(range(count))

    async def writer() -> None:
        async with pool.acquire() as connection:
            statement = await connection.prepare(_ONE)
            for n in numbers:
                await asyncio.sleep(max(0.0, started + n / RATE - time.perf_counter()))
                identifier = new_id()
                begun = time.time()
                await statement.fetch(identifier, TOPIC, _PAYLOAD)
                committed[str(identifier)] = begun
                relay.nudge()

    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    elapsed = time.perf_counter() - started
    await asyncio.sleep(2)
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    await pool.close()
    return committed, elapsed


def _latency(dsn: str, servers: str) -> Round:
    count = RATE * RATE_SECONDS
    spawn = multiprocessing.get_context("spawn")
    ready, out = spawn.Event(), spawn.Queue()
    process = spawn.Process(target=_consumer, args=(servers, count, ready, out))
    process.start()
    if not ready.wait(30):
        process.terminate()
        raise TimeoutError("the consumer did not start")
    committed, elapsed = asyncio.run(_write(dsn, servers, count))
    seen = out.get(timeout=60)
    process.join(10)
    took = [(seen[i] - at) * 1000 for i, at in committed.items() if i in seen]
    return timed(count / elapsed, took, errors=count - len(took))


def measure(system: System) -> list[Result]:
    dsn = migrated_copy(system.stack, "population", "svc_population", "bench_relay")
    servers = system.stack.env("population")["KAFKA_BOOTSTRAP_SERVERS"]
    asyncio.run(_topic(servers))
    rounds = asyncio.run(_throughput(dsn, servers))
    latencies = [_latency(dsn, servers) for _ in range(3)]
    return [
        result(
            "relay",
            "events/s",
            rounds,
            f"{EVENTS:,} events of {len(_PAYLOAD)} bytes and eight headers, {PARTITIONS} partitions,"
            " acks=all, idempotent; the whole stack idles on the same cores",
            ceiling="aiokafka, the same bytes from memory",
        ),
        result(
            "relay-latency",
            "events/s",
            latencies,
            f"from before the commit to the consumer, {RATE:,} transactions/s with one event each, wanted;"
            " writers and relay in one process, the consumer in another",
        ),
    ]
