"""The Kafka door: every event has its effect once, whatever Kafka or a crash repeats."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.events import envelope as ce
from ndx_contracts.events.envelope import EventData
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ValidationError
from sqlalchemy import null, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from ndx_chassis.errors import DomainError
from ndx_chassis.inbox import Parcel, park
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.tables import inbox
from ndx_chassis.telemetry import extract, inbound, log, span

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

DataT_co = TypeVar("DataT_co", bound=BaseModel, covariant=True)
Handler = Callable[[AsyncSession, "Event[Any]", "Runtime"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT_co]):
    """An event as a handler sees it; also the actor of the audit entries that it causes."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime | None
    data: DataT_co

    @property
    def actor(self) -> str:
        return f"event/{self.type}"

    @property
    def officer(self) -> None:
        return None

    @property
    def case_id(self) -> None:
        return None

    @property
    def request_id(self) -> str:
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic, the consumer group's name, and what to do for each event type."""

    topic: str
    group: str
    handlers: Mapping[type[BaseModel], Handler] = field(default_factory=dict)

    @property
    def consumer(self) -> str:
        """Return the name under which the inbox knows this reader."""
        return f"{self.group}:{self.topic}"

    def handler_for(self, event_type: str) -> tuple[type[BaseModel], Handler] | None:
        for model, handler in self.handlers.items():
            if issubclass(model, EventData) and event_type == model.TYPE:
                return model, handler
            if issubclass(model, DisclosureRecord) and event_type.endswith(".disclosure.v1"):
                return model, handler
        return None


def parcel_of(record: "ConsumerRecord[bytes, bytes]") -> Parcel:
    """Take a Kafka record apart into what the inbox can keep."""
    headers = {k: v.decode("utf-8", "replace") for k, v in record.headers}
    return Parcel(
        topic=record.topic,
        key=(record.key or b"").decode("utf-8", "replace"),
        value=(record.value or b"").decode("utf-8", "replace"),
        headers=headers,
    )


async def handle(
    runtime: "Runtime", subscription: Subscription, parcel: Parcel, *, retrying: bool = False
) -> bool:
    """Handle one event in one transaction; False when it was done before or is not for us.

    `retrying` takes an event that waits in the inbox instead of a new one.

    Raises whatever the handler raises: the transaction is rolled back then.
    """
    found = subscription.handler_for(parcel.headers.get(ce.CE_TYPE, ""))
    if found is None:
        return False
    model, handler = found
    event_id = UUID(parcel.headers[ce.CE_ID])
    header = parcel.headers.get(ce.TRACEPARENT)
    time = parcel.headers.get(ce.CE_TIME)
    event = Event(
        id=event_id,
        type=parcel.headers[ce.CE_TYPE],
        source=parcel.headers.get(ce.CE_SOURCE, ""),
        subject=parcel.headers.get(ce.CE_SUBJECT, parcel.key),
        time=datetime.fromisoformat(time) if time else None,
        data=model.model_validate_json(parcel.value),
    )
    with inbound(header), _consumer_span(subscription, event, header):
        async with runtime.sessions() as session, session.begin():
            taken = await session.execute(
                _finish(subscription.consumer, event_id)
                if retrying
                else insert(inbox)
                .values(consumer=subscription.consumer, event_id=event_id, state="DONE", attempts=1)
                .on_conflict_do_nothing()
                .returning(inbox.c.event_id)
            )
            if taken.first() is None:
                return False
            await handler(session, event, runtime)
    runtime.nudge()
    return True


def _finish(consumer: str, event_id: UUID) -> ReturningUpdate[Any]:
    mine = (inbox.c.consumer == consumer) & (inbox.c.event_id == event_id) & (inbox.c.state == "WAITING")
    done = update(inbox).where(mine).values(state="DONE", message=null(), next_attempt_at=None)
    return done.returning(inbox.c.event_id)


def _consumer_span(
    subscription: Subscription, event: Event[Any], header: str | None
) -> contextlib.AbstractContextManager[object]:
    if header is None or not header.endswith("1"):
        return contextlib.nullcontext()
    return span(
        f"process {subscription.topic}",
        kind=SpanKind.CONSUMER,
        parent=extract({"traceparent": header}),
        messaging__system="kafka",
        messaging__destination__name=subscription.topic,
        messaging__consumer__group__name=subscription.group,
        messaging__operation__type="process",
        ndx__event__type=event.type,
        ndx__event__id=str(event.id),
    )


async def handle_or_park(runtime: "Runtime", subscription: Subscription, parcel: Parcel) -> None:
    """Handle one event; what fails is parked for another attempt or becomes a dead letter."""
    try:
        await handle(runtime, subscription, parcel)
    except (ValidationError, ValueError, KeyError) as error:
        await park(
            runtime, subscription.consumer, parcel, error="unreadable:" + type(error).__name__, retry=False
        )
    except DomainError as error:
        # Any refusal may heal (an agreement approved later); the inbox gives up after its last attempt.
        await park(runtime, subscription.consumer, parcel, error=error.code, retry=True)
    except Exception as error:
        if is_connection_trouble(error):
            raise
        log.error(
            "event_handler_crashed", topic=subscription.topic, error=type(error).__name__, where=where(error)
        )
        await park(runtime, subscription.consumer, parcel, error=type(error).__name__, retry=True)


class Consumer:
    """Reads one topic for one group, partitions side by side, offsets after effects."""

    def __init__(self, runtime: "Runtime", subscription: Subscription, servers: str) -> None:
        self._runtime = runtime
        self._subscription = subscription
        self._servers = servers

    async def run(self) -> None:
        """Run until cancelled; Kafka or the database being away only delays."""
        delay = 0.2
        while True:
            try:
                await self._session()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - reading must go on
                if not isinstance(error, (KafkaError, OSError, TimeoutError)) and not is_connection_trouble(
                    error
                ):
                    log.error("consumer_crashed", error=type(error).__name__, where=where(error))
                log.warning(
                    "consumer_interrupted", topic=self._subscription.topic, error=type(error).__name__
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    async def _session(self) -> None:
        consumer = AIOKafkaConsumer(
            self._subscription.topic,
            bootstrap_servers=self._servers,
            group_id=f"ndx-{self._subscription.group}",
            client_id=f"ndx-{self._subscription.consumer.replace(':', '-')}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=200,
            session_timeout_ms=10_000,
            metadata_max_age_ms=30_000,
        )
        try:
            await consumer.start()
            while True:
                batches = await consumer.getmany(timeout_ms=1000)
                if not batches:
                    continue
                await asyncio.gather(*(self._partition(records) for records in batches.values()))
                await consumer.commit(
                    {partition: records[-1].offset + 1 for partition, records in batches.items()}
                )
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(consumer.stop(), 5)

    async def _partition(self, records: "list[ConsumerRecord[bytes, bytes]]") -> None:
        for record in records:
            await handle_or_park(self._runtime, self._subscription, parcel_of(record))


async def follow(
    topic: str, servers: str, take: Callable[[bytes], Awaitable[None]], caught_up: asyncio.Event
) -> None:
    """Read a compacted topic from its start, for ever, into this process's memory."""
    while True:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            parts = [
                TopicPartition(topic, p)
                for p in consumer.partitions_for_topic(topic) or await _partitions(consumer, topic)
            ]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            while True:
                if not caught_up.is_set() and all([await consumer.position(p) >= ends[p] for p in parts]):
                    caught_up.set()
                batches = await consumer.getmany(timeout_ms=500)
                for records in batches.values():
                    for record in records:
                        if record.value is not None:
                            await take(record.value)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - following must go on
            log.warning("follower_interrupted", topic=topic, error=type(error).__name__)
            await asyncio.sleep(1)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(consumer.stop(), 5)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.add_topic(topic)  # noqa: SLF001 - aiokafka has no public way to ask for one topic
    found = consumer.partitions_for_topic(topic)
    if not found:
        raise KafkaError(f"topic {topic} does not exist")
    return set(found)
