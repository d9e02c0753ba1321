"""The SQL of webhooks: which have something to send, who holds them, and their next events.

It is asked again and again by every worker, so its words are put together once.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BindParameter, Row, Select, Uuid, bindparam, exists, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.feeds.models import Delivery, EventState, FeedEvent, FeedSubscription, SubscriptionState

_PENDING = FeedEvent.state == EventState.PENDING.value
_NOW: BindParameter[datetime] = bindparam("now")


def _due_subscriptions() -> Select[UUID, int]:
    due = FeedEvent.next_attempt_at.is_(None) | (FeedEvent.next_attempt_at <= _NOW)
    some = exists().where((FeedEvent.subscription_id == FeedSubscription.id) & _PENDING & due)
    ready = FeedSubscription.next_attempt_at.is_(None) | (FeedSubscription.next_attempt_at <= _NOW)
    free = FeedSubscription.leased_by.is_(None) | (FeedSubscription.leased_until <= func.now())
    active = FeedSubscription.state == SubscriptionState.ACTIVE.value
    push = FeedSubscription.delivery == Delivery.PUSH.value
    found = select(FeedSubscription.id, FeedSubscription.failures)
    return found.where(active & push & ready & free & some)


# Asked once and again: to put the words together took more than a third of a delivery.
_DUE_SUBSCRIPTIONS = _due_subscriptions().order_by(FeedSubscription.next_attempt_at.nulls_first())
_WANTED = FeedSubscription.id == func.any(bindparam("wanted", type_=ARRAY(Uuid)))
_TAKE_FREE = (
    _due_subscriptions()
    .with_only_columns(FeedSubscription, func.now())
    .where(_WANTED)
    .order_by(FeedSubscription.id)
    # One that somebody else holds is not waited for: it comes at the next look.
    .with_for_update(skip_locked=True, of=FeedSubscription)
)
_TAKE_LEASED = (
    select(FeedSubscription)
    .where(_WANTED & (FeedSubscription.leased_by == bindparam("worker")))
    .order_by(FeedSubscription.id)
    .with_for_update()
)
_KEEP_LEASES = text("""
    UPDATE feed_subscriptions SET leased_until = now() + make_interval(secs => :seconds) WHERE id IN (
        SELECT id FROM feed_subscriptions WHERE id = ANY(CAST(:held AS uuid[])) AND leased_by = :worker
        FOR UPDATE SKIP LOCKED
    ) RETURNING id
""")
_NEXT_DUE = select(FeedEvent).from_statement(
    text("""
    SELECT e.* FROM unnest(CAST(:of AS uuid[]), CAST(:most AS integer[])) AS asked (id, most),
    LATERAL (
        SELECT * FROM feed_events d
        WHERE d.subscription_id = asked.id AND d.state = 'PENDING'
          AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= :now)
          AND NOT EXISTS (
            SELECT FROM feed_events b
            WHERE b.subscription_id = d.subscription_id AND b.person_key = d.person_key
              AND b.position < d.position AND b.state = 'PENDING' AND b.next_attempt_at > :now
          )
        ORDER BY d.position LIMIT asked.most
    ) AS e ORDER BY e.subscription_id, e.position
    """)
)
_SENT = select(FeedEvent).from_statement(
    text("""
    SELECT e.* FROM unnest(CAST(:of AS uuid[]), CAST(:positions AS bigint[])) AS sent (id, position)
    JOIN feed_events e ON e.subscription_id = sent.id AND e.position = sent.position
    """)
)


async def next_due(
    session: AsyncSession, wanted: Mapping[UUID, int], now: datetime
) -> dict[UUID, list[FeedEvent]]:
    """Return each subscription's oldest events whose time has come, so many of each at most.

    None comes after one of the same person whose time has not.
    """
    given = {"of": list(wanted), "most": list(wanted.values()), "now": now}
    found: dict[UUID, list[FeedEvent]] = {}
    for row in await session.scalars(_NEXT_DUE, given):
        found.setdefault(row.subscription_id, []).append(row)
    return found


async def take_free(
    session: AsyncSession, wanted: Collection[UUID], now: datetime
) -> Sequence[Row[FeedSubscription, datetime]]:
    """Hold those of the webhooks that have something to send and are free; each with the database's time."""
    given = {"wanted": list(wanted), "now": now}
    return (await session.execute(_TAKE_FREE, given)).all()


async def keep_leases(
    session: AsyncSession, held: Collection[UUID], worker: UUID, seconds: float
) -> Sequence[UUID]:
    """Renew a worker's leases and return whose; one that is locked now is not waited for."""
    given = {"held": list(held), "worker": worker, "seconds": seconds}
    return (await session.scalars(_KEEP_LEASES, given)).all()


async def take_leased(
    session: AsyncSession, wanted: Collection[UUID], worker: UUID
) -> Sequence[FeedSubscription]:
    """Hold those of the subscriptions that are still this worker's."""
    return (await session.scalars(_TAKE_LEASED, {"wanted": list(wanted), "worker": worker})).all()


async def sent(
    session: AsyncSession, places: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], FeedEvent]:
    """Return events by subscription and position."""
    given = {"of": [of for of, _ in places], "positions": [position for _, position in places]}
    return {(row.subscription_id, row.position): row for row in await session.scalars(_SENT, given)}


async def due_subscriptions(session: AsyncSession, now: datetime) -> Sequence[Row[UUID, int]]:
    """Return the webhooks that have something to send now, with the failures that each had in a row."""
    return (await session.execute(_DUE_SUBSCRIPTIONS, {"now": now})).all()
