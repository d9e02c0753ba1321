"""What a consumer could not do at once: waiting for another attempt, or dead and replayable."""

import random
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiokafka import ConsumerRecord
from ndx_contracts.events import envelope as ce
from ndx_contracts.topics import dead_letter_topic
from sqlalchemy import ColumnElement, Row, and_, bindparam, func, null, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningUpdate

from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.gateway_client import ProviderRefused
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import PUT_BACK, RELAY
from ndx_chassis.problems import is_connection_trouble
from ndx_chassis.tables import inbox, outbox
from ndx_chassis.telemetry import log

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from ndx_chassis.app import Runtime
    from ndx_chassis.consumer import Subscription

MAX_ATTEMPTS = 12
"""After so many refusals an event is dead; one whose other side is only away waits for ever."""
UNAVAILABLE = "unavailable:"
UNREADABLE = "unreadable:"
_LONGEST_SECONDS = 300.0
_AWAY = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT})


class EventUnreadable(Exception):
    """The message is no event of its type; trying again cannot help."""


def error_of(failure: Exception) -> str:
    """Name a failure by its code, never by its words; its prefix says what may be hoped for."""
    if isinstance(failure, EventUnreadable):
        return f"{UNREADABLE}{failure}"
    code = failure.code if isinstance(failure, DomainError) else type(failure).__name__
    if isinstance(failure, ProviderRefused):
        code = f"{code}:{failure.refusal}"
    away = failure.kind in _AWAY if isinstance(failure, DomainError) else is_connection_trouble(failure)
    return f"{UNAVAILABLE}{code}" if away else code


# Built once: asked twice a second by every service, for ever.
_DUE = (
    select(inbox)
    .where(
        (inbox.c.state == "WAITING")
        & (inbox.c.next_attempt_at <= func.clock_timestamp())
        & inbox.c.consumer.in_(bindparam("readers", expanding=True))
    )
    .order_by(inbox.c.next_attempt_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A Kafka message without Kafka: kept as JSON until it is handled."""

    topic: str
    key: str
    value: str
    headers: dict[str, str]


def parcel_of(record: "ConsumerRecord[bytes, bytes]") -> Parcel:
    """Take a Kafka record apart into what the inbox can keep."""
    headers = {k: v.decode("utf-8", "replace") for k, v in record.headers}
    return Parcel(
        topic=record.topic,
        key=(record.key or b"").decode("utf-8", "replace"),
        value=(record.value or b"").decode("utf-8", "replace"),
        headers=headers,
    )


def delay_after(attempts: int) -> timedelta:
    """Return the growing pause before the next attempt: 0.5 s doubling to 5 minutes, with jitter."""
    seconds = min(0.5 * 2 ** min(attempts, 20), _LONGEST_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret


async def park(runtime: "Runtime", consumer: str, parcel: Parcel, *, error: str) -> None:
    """Keep a failed event in the inbox; one that nobody can read is dead at once."""
    event_id = _event_id(parcel)
    async with runtime.sessions() as session, session.begin():
        row = (
            await session.execute(
                insert(inbox)
                .values(
                    consumer=consumer,
                    event_id=event_id,
                    state="WAITING",
                    attempts=1,
                    topic=parcel.topic,
                    message=asdict(parcel),
                    error=error,
                    next_attempt_at=func.clock_timestamp() + delay_after(0),
                )
                .on_conflict_do_nothing()
                .returning(inbox.c.attempts)
            )
        ).first()
        if row is not None and error.startswith(UNREADABLE):
            await _bury(session, runtime.service, consumer, event_id, parcel, error)
    log.warning("event_parked", consumer=consumer, error=error)
    runtime.nudge()


def _event_id(parcel: Parcel) -> UUID:
    try:
        return UUID(parcel.headers.get(ce.CE_ID, ""))
    except ValueError:
        return new_id()


async def _bury(  # noqa: PLR0917 - all six are facts of one dead letter
    session: "AsyncSession", service: str, consumer: str, event_id: UUID, parcel: Parcel, error: str
) -> None:
    mine = (inbox.c.consumer == consumer) & (inbox.c.event_id == event_id)
    await session.execute(update(inbox).where(mine).values(state="DEAD", error=error, next_attempt_at=None))
    headers = {
        **{k: v for k, v in parcel.headers.items() if not k.startswith("ce_")},
        "ndx_original_topic": parcel.topic,
        "ndx_original_type": parcel.headers.get(ce.CE_TYPE, ""),
        "ndx_original_id": str(event_id),
        "ndx_consumer": consumer,
        "ndx_error": error,
    }
    await session.execute(
        insert(outbox).values(
            id=new_id(),
            aggregatetype="dead-letter",
            aggregateid=parcel.key or str(event_id),
            type="ndx.dead-letter.v1",
            topic=dead_letter_topic(service),
            payload=parcel.value,
            headers=headers,
        )
    )


async def retry_due(runtime: "Runtime", subscriptions: "list[Subscription]", *, limit: int = 500) -> int:
    """Try the events whose pause is over; return how many were tried.

    A consumer whose other side turns out to be away is left alone for the rest of this run.
    """
    by_name = {s.consumer: s for s in subscriptions}
    for tried in range(limit):
        async with runtime.sessions() as session, session.begin():
            row = (await session.execute(_DUE, {"readers": list(by_name)})).first()
            if row is None:
                return tried
            # Pushed into the future first: if this process dies now, the event waits and is tried again.
            await session.execute(
                update(inbox)
                .where(_is(row))
                .values(
                    attempts=row.attempts + 1,
                    next_attempt_at=func.clock_timestamp() + delay_after(row.attempts),
                )
            )
        if not await _attempt(runtime, by_name[row.consumer], row):
            del by_name[row.consumer]
    return limit


def _is(row: Row[Any]) -> ColumnElement[bool]:
    return and_(inbox.c.consumer == row.consumer, inbox.c.event_id == row.event_id)


async def _attempt(runtime: "Runtime", subscription: "Subscription", row: Any) -> bool:
    """Handle a waiting event; return whether the other side was there."""
    from ndx_chassis.consumer import handle  # the two modules call each other

    parcel = Parcel(**row.message)
    was_away = (row.error or "").startswith(UNAVAILABLE)
    try:
        await handle(runtime, subscription, parcel, retrying=True)
    except Exception as failure:  # noqa: BLE001 - whatever fails is counted and, at last, buried
        error = error_of(failure)[:200]
        is_away = error.startswith(UNAVAILABLE)
        # The attempts before the other side came back say nothing about what it refuses now.
        attempts = 1 if was_away and not is_away else row.attempts + 1
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                update(inbox)
                .where(_is(row))
                .values(
                    error=error,
                    attempts=attempts,
                    next_attempt_at=func.clock_timestamp() + delay_after(attempts),
                )
            )
            if error.startswith(UNREADABLE) or (attempts >= MAX_ATTEMPTS and not is_away):
                await _bury(session, runtime.service, row.consumer, row.event_id, parcel, error)
                log.error("event_buried", consumer=row.consumer, error=error)
        return not is_away
    if was_away:
        await _hasten(runtime, row.consumer)
    return True


async def _hasten(runtime: "Runtime", consumer: str) -> None:
    """Make due what waits only because the other side was away: it is back."""
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            update(inbox)
            .where(
                (inbox.c.state == "WAITING")
                & (inbox.c.next_attempt_at > func.clock_timestamp())
                & (inbox.c.consumer == consumer)
                & inbox.c.error.startswith(UNAVAILABLE)
            )
            .values(next_attempt_at=func.clock_timestamp())
        )


def finish(consumer: str, event_id: UUID) -> ReturningUpdate[Any]:
    """Return the statement that ends the wait of an event, and yields it if it waited."""
    mine = (inbox.c.consumer == consumer) & (inbox.c.event_id == event_id) & (inbox.c.state == "WAITING")
    done = update(inbox).where(mine).values(state="DONE", message=null(), next_attempt_at=None)
    return done.returning(inbox.c.event_id)


async def replay(session: "AsyncSession", *, consumer: str | None = None) -> int:
    """Give every dead event of this service another series of attempts; return how many."""
    carried = 0
    if consumer in {None, RELAY}:
        carried = len((await session.execute(text(PUT_BACK))).all())
    statement = (
        update(inbox)
        .where(inbox.c.state == "DEAD")
        .values(state="WAITING", attempts=0, next_attempt_at=text("clock_timestamp()"))
    )
    if consumer is not None:
        statement = statement.where(inbox.c.consumer == consumer)
    result = await session.execute(statement.returning(inbox.c.event_id))
    return carried + len(result.all())
