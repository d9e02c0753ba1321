"""What a consumer could not do at once: waiting for another attempt, or dead and replayable."""

import random
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ndx_contracts.events import envelope as ce
from ndx_contracts.topics import dead_letter_topic
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ndx_chassis.ids import new_id
from ndx_chassis.tables import inbox, outbox
from ndx_chassis.telemetry import log

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from ndx_chassis.app import Runtime
    from ndx_chassis.consumer import Subscription

MAX_ATTEMPTS = 12
_LONGEST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A Kafka message without Kafka: kept as JSON until it is handled."""

    topic: str
    key: str
    value: str
    headers: dict[str, str]


def delay_after(attempts: int) -> timedelta:
    """Return the growing pause before the next attempt: 0.5 s doubling to 5 minutes, with jitter."""
    seconds = min(0.5 * 2**attempts, _LONGEST_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret


async def park(runtime: "Runtime", consumer: str, parcel: Parcel, *, error: str, retry: bool) -> None:
    """Keep a failed event in the inbox, or send it to the dead-letter topic when no attempt is left."""
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
        if row is not None and not retry:
            await _bury(session, runtime.service, consumer, event_id, parcel, error)
    log.warning("event_parked", consumer=consumer, error=error, retry=retry)
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


async def retry_due(runtime: "Runtime", subscriptions: "list[Subscription]", *, limit: int = 50) -> int:
    """Try the events whose pause is over; return how many were tried."""
    from ndx_chassis.consumer import handle  # the two modules call each other

    by_name = {s.consumer: s for s in subscriptions}
    tried = 0
    for _ in range(limit):
        async with runtime.sessions() as session, session.begin():
            row = (
                await session.execute(
                    select(inbox)
                    .where((inbox.c.state == "WAITING") & (inbox.c.next_attempt_at <= func.clock_timestamp()))
                    .order_by(inbox.c.next_attempt_at)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                )
            ).first()
            if row is None:
                return tried
            tried += 1
            mine = (inbox.c.consumer == row.consumer) & (inbox.c.event_id == row.event_id)
            # Pushed into the future first: if this process dies now, the event waits and is tried again.
            await session.execute(
                update(inbox)
                .where(mine)
                .values(
                    attempts=row.attempts + 1,
                    next_attempt_at=func.clock_timestamp() + delay_after(row.attempts),
                )
            )
        await _attempt(runtime, by_name.get(row.consumer), row, handle)
    return tried


async def _attempt(runtime: "Runtime", subscription: "Subscription | None", row: Any, handle: Any) -> None:
    if subscription is None:
        return
    parcel = Parcel(**row.message)
    mine = (inbox.c.consumer == row.consumer) & (inbox.c.event_id == row.event_id)
    try:
        await handle(runtime, subscription, parcel, retrying=True)
    except Exception as error:  # noqa: BLE001 - whatever fails is counted and, at last, buried
        code = getattr(error, "code", None) or type(error).__name__
        async with runtime.sessions() as session, session.begin():
            await session.execute(update(inbox).where(mine).values(error=str(code)[:200]))
            if row.attempts + 1 >= MAX_ATTEMPTS:
                await _bury(session, runtime.service, row.consumer, row.event_id, parcel, str(code)[:200])
                log.error("event_buried", consumer=row.consumer, error=str(code)[:200])


async def replay(session: "AsyncSession", *, consumer: str | None = None) -> int:
    """Give every dead event of this service another series of attempts; return how many."""
    statement = (
        update(inbox)
        .where(inbox.c.state == "DEAD")
        .values(state="WAITING", attempts=0, next_attempt_at=text("clock_timestamp()"))
    )
    if consumer is not None:
        statement = statement.where(inbox.c.consumer == consumer)
    result = await session.execute(statement.returning(inbox.c.event_id))
    return len(result.all())
