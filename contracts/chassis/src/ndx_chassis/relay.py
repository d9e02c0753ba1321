"""Carries committed events and disclosure records to Kafka, in order, at least once."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from ndx_contracts.events import envelope as ce
from ndx_contracts.topics import disclosure_topic

from ndx_chassis.kafka import RETRY_MS, Message, MessagesRefused, is_stopped, publish, soon
from ndx_chassis.metrics import Metrics
from ndx_chassis.outbox import SET_ASIDE
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.settings import kafka_client
from ndx_chassis.telemetry import log

BATCH = 500
IDLE_SECONDS = 0.5
HIDDEN_SECONDS = 0.01
"""First pause, doubling, while rows are committed but hidden behind an older transaction that goes on."""
GATHER_SECONDS = 0.05
"""Pause after a look that moved something: under load the next one takes what many commits left."""
DISCLOSURES_SECONDS = 0.4
"""Least time between two looks at disclosure records: nobody waits for one, and their readers, the ledger and
the citizen's list, pay for each batch, not for each record."""
PUBLISH_SECONDS = 30.0
"""A batch that Kafka has not taken by then goes again with a new client."""
MOST_SENT_BYTES = 64_000_000
"""What is larger is not even sent: from 100 MB on a broker does not refuse it but hangs up, each time."""
_Position = tuple[int, UUID]
GOOD_SECONDS = 30.0
_ZERO = UUID(int=0)

# A row is taken when every transaction that could still commit a smaller position has ended; so the
# position only moves forward and nothing is deleted, locked or missed.
_READ = (
    "SELECT * FROM {source} WHERE (xid, id) > ($1, $2)"
    " AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY xid, id LIMIT $3"
)


_HIDDEN = (
    "SELECT EXISTS (SELECT 1 FROM outbox WHERE (xid, id) > ($1, $2))"
    " OR EXISTS (SELECT 1 FROM disclosures WHERE (xid, id) > ($3, $4))"
)


_SESSION = {
    # Only positions are written here, and one that a crash loses means no more than a repetition.
    "synchronous_commit": "off",
    # Nearly all rows lie before the position. The planner cannot know that and would read whole tables.
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
}


def _event_message(service: str, row: asyncpg.Record) -> Message:
    headers = [
        (ce.CE_SPECVERSION, b"1.0"),
        (ce.CE_ID, str(row["id"]).encode()),
        (ce.CE_SOURCE, f"/{service}".encode()),
        (ce.CE_TYPE, row["type"].encode()),
        (ce.CE_SUBJECT, row["aggregateid"].encode()),
        (ce.CE_TIME, row["created_at"].isoformat().encode()),
        (ce.CONTENT_TYPE, b"application/json"),
    ]
    extra = orjson.loads(row["headers"])
    headers.extend((name, str(value).encode()) for name, value in extra.items())
    return Message(row["topic"], row["aggregateid"].encode(), row["payload"].encode(), headers)


def disclosure_message(service: str, row: Mapping[str, Any]) -> Message:
    """Return the message of a disclosure record."""
    record = dict(row)
    del record["xid"]  # the position by which this relay reads
    record["service"] = service
    topic = disclosure_topic(service)
    key = str(row["id"]).encode()
    headers = [
        (ce.CE_SPECVERSION, b"1.0"),
        (ce.CE_ID, key),
        (ce.CE_SOURCE, f"/{service}".encode()),
        (ce.CE_TYPE, topic.encode()),
        (ce.CONTENT_TYPE, b"application/json"),
    ]
    return Message(topic, key, orjson.dumps(record, default=str), headers, zlib.crc32)


_SOURCES: Mapping[str, Callable[[str, Any], Message]] = {
    "outbox": _event_message,
    "disclosures": disclosure_message,
}


class Relay:
    """Publishes the rows of `outbox` and `disclosures`; runs in the service's leading process only."""

    def __init__(
        self, service: str, dsn: str, bootstrap_servers: str, metrics: Metrics | None = None
    ) -> None:
        self._service = service
        self._dsn = dsn
        self._servers = bootstrap_servers
        self._metrics = metrics or Metrics()
        self._woken = asyncio.Event()
        self._refused: set[bytes] = set()
        """Ids of events that the brokers refused for their size: set aside, so that later ones go."""
        self._one_by_one = False

    def nudge(self) -> None:
        """Say that something was committed, so that nobody waits for the next poll."""
        self._woken.set()

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
                expected = isinstance(error, (KafkaError, asyncio.CancelledError))
                if expected or is_connection_trouble(error):
                    self._metrics.relay_failed("interrupted")
                    log.warning("relay_interrupted", error=type(error).__name__)
                else:
                    self._metrics.relay_failed("crashed")
                    log.error("relay_crashed", error=type(error).__name__, where=where(error))
                # After a good run, this interruption is a new story.
                delay = 0.2 if time.monotonic() - started > GOOD_SECONDS else min(delay * 2, 5.0)
                await asyncio.sleep(delay)

    async def _session(self) -> None:
        kafka = kafka_client(self._servers)
        connection = await asyncpg.connect(self._dsn, timeout=5, server_settings=_SESSION)
        producer = AIOKafkaProducer(
            **kafka,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            # A batch that is refused as a whole goes again in pieces, to find the one event that is meant.
            max_batch_size=1 if self._one_by_one else 262_144,
            request_timeout_ms=10_000,
            retry_backoff_ms=RETRY_MS,
        )
        try:
            await soon(producer.start(), PUBLISH_SECONDS)
            positions = {source: await _position(connection, source) for source in _SOURCES}
            hidden = HIDDEN_SECONDS
            looked_at = 0.0
            in_pieces, self._one_by_one = self._one_by_one, False
            while True:
                self._woken.clear()
                moved = 0
                early = time.monotonic() - looked_at < DISCLOSURES_SECONDS
                for source in _SOURCES:
                    if early and source == "disclosures":
                        continue
                    number, positions[source] = await self._move(
                        connection, producer, source, positions[source]
                    )
                    moved += number
                if moved and in_pieces:
                    return
                if not early and moved < BATCH:
                    looked_at = time.monotonic()
                if moved or early:
                    # A full batch means that more rows wait: there is nothing to gather.
                    await asyncio.sleep(0 if moved >= BATCH else GATHER_SECONDS)
                elif await connection.fetchval(_HIDDEN, *positions["outbox"], *positions["disclosures"]):
                    await asyncio.sleep(hidden)
                    hidden = min(2 * hidden, IDLE_SECONDS)
                    continue
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(IDLE_SECONDS):
                            await self._woken.wait()
                hidden = HIDDEN_SECONDS
        finally:
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await soon(producer.stop(), 5)
            await connection.close(timeout=2)

    async def _move(
        self, connection: asyncpg.Connection, producer: AIOKafkaProducer, source: str, after: _Position
    ) -> tuple[int, _Position]:
        rows: Sequence[asyncpg.Record] = await connection.fetch(
            _READ.format(source=source),  # one of our two table names
            *after,
            BATCH,
        )
        if not rows:
            return 0, after
        messages = [_SOURCES[source](self._service, row) for row in rows]
        if source == "outbox":
            messages = await self._without_refused(connection, rows, messages)
        try:
            await soon(publish(producer, messages), PUBLISH_SECONDS)
        except MessagesRefused as refused:
            # After a refusal the client is of no use: its count of messages has a gap. A record of disclosure
            # is never set aside.
            self._refused |= refused.alone
            self._one_by_one = refused.together
            raise
        await connection.execute(
            "INSERT INTO relay_positions (source, xid, id) VALUES ($1, $2, $3)"
            " ON CONFLICT (source) DO UPDATE SET xid = excluded.xid, id = excluded.id",
            source,
            rows[-1]["xid"],
            rows[-1]["id"],
        )
        if source == "disclosures":
            self._metrics.disclosed((row["operation"], row["outcome"]) for row in rows)
        return len(rows), (rows[-1]["xid"], rows[-1]["id"])

    async def _without_refused(
        self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record], messages: list[Message]
    ) -> list[Message]:
        """Leave out what the brokers refused, and put it where dead letters are listed and replayed."""
        kept = []
        for row, message in zip(rows, messages, strict=True):
            if message.id not in self._refused and len(message.value) <= MOST_SENT_BYTES:
                kept.append(message)
                continue
            self._refused.discard(message.id)
            await connection.execute(SET_ASIDE, row["id"], row["topic"], row["xid"])
            self._metrics.set_aside.inc()
            log.error(
                "event_set_aside", event_id=str(row["id"]), event_type=row["type"], bytes=len(message.value)
            )
        return kept


async def _position(connection: asyncpg.Connection, source: str) -> _Position:
    """Return where the last leading process stopped."""
    row = await connection.fetchrow("SELECT xid, id FROM relay_positions WHERE source = $1", source)
    return (0, _ZERO) if row is None else (row["xid"], row["id"])
