"""All SQL about feeds but that of sending webhooks (`pushing_sql`)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ndx_chassis.last_writes import write_last
from sqlalchemy import Row, Text, bindparam, cast, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.feeds.models import (
    EventState,
    FeedAttempt,
    FeedEvent,
    FeedInterest,
    FeedSubscription,
    SubscriptionState,
)
from gateway.feeds.vocabulary import NOT_CONFIRMED

_PENDING = FeedEvent.state == EventState.PENDING.value
_NOT_ENDED = FeedSubscription.state != SubscriptionState.ENDED.value
_SUBSCRIPTIONS = FeedSubscription.metadata.tables[FeedSubscription.__tablename__]
_TAKE_POSITIONS = (
    update(_SUBSCRIPTIONS)
    .where(_SUBSCRIPTIONS.c.id == bindparam("of"))
    .values(last_position=_SUBSCRIPTIONS.c.last_position + bindparam("number"))
)


async def find(session: AsyncSession, identifier: UUID, *, lock: bool = False) -> FeedSubscription | None:
    return await session.get(FeedSubscription, identifier, with_for_update=lock, populate_existing=lock)


async def page(
    session: AsyncSession, *, agency: str | None, state: str | None, after: UUID, limit: int
) -> Sequence[FeedSubscription]:
    """Return subscriptions in the order of their making."""
    statement = select(FeedSubscription).where(FeedSubscription.id > after)
    if agency is not None:
        statement = statement.where(FeedSubscription.agency == agency)
    if state is not None:
        statement = statement.where(FeedSubscription.state == state)
    return (await session.scalars(statement.order_by(FeedSubscription.id).limit(limit))).all()


async def _take_turns(session: AsyncSession, agency: str) -> None:
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"feeds {agency}", 0))))


async def count_of(session: AsyncSession, agency: str) -> int:
    """Return how many subscriptions of an agency have not ended; who adds one takes turns until commit."""
    await _take_turns(session, agency)
    mine = (FeedSubscription.agency == agency) & _NOT_ENDED
    return int(await session.scalar(select(func.count()).select_from(FeedSubscription).where(mine)) or 0)


async def webhook_of(
    session: AsyncSession, *, agency: str, event_type: str, endpoint: str, form: str
) -> FeedSubscription | None:
    """Return the agency's open webhook for one event type; two who ask at once take turns until commit."""
    await _take_turns(session, agency)
    mine = (FeedSubscription.agency == agency) & _NOT_ENDED
    same = (FeedSubscription.endpoint == endpoint) & (FeedSubscription.form == form)
    of_type = FeedSubscription.event_types == cast([event_type], ARRAY(Text))
    return (await session.scalars(select(FeedSubscription).where(mine & same & of_type).limit(1))).first()


async def open_subscriptions(session: AsyncSession) -> Sequence[FeedSubscription]:
    return (await session.scalars(select(FeedSubscription).where(_NOT_ENDED))).all()


async def open_ids_of(session: AsyncSession, agency: str) -> Sequence[UUID]:
    mine = (FeedSubscription.agency == agency) & _NOT_ENDED
    return (
        await session.scalars(select(FeedSubscription.id).where(mine).order_by(FeedSubscription.id))
    ).all()


async def following(session: AsyncSession, types: Collection[str]) -> Sequence[FeedSubscription]:
    """Return the subscriptions that follow any of the event types; one that is not confirmed does not yet."""
    wanted = FeedSubscription.event_types.overlap(cast(sorted(types), ARRAY(Text)))
    confirmed = ~func.coalesce(FeedSubscription.state_reason, "").startswith(NOT_CONFIRMED)
    return (await session.scalars(select(FeedSubscription).where(_NOT_ENDED & confirmed & wanted))).all()


async def interests(session: AsyncSession, people: Collection[bytes]) -> Sequence[FeedInterest]:
    """Return who has registered interest in any of the people."""
    statement = select(FeedInterest).where(FeedInterest.person_key.in_(people))
    return (await session.scalars(statement)).all()


async def count_interests(session: AsyncSession, subscription: UUID) -> int:
    mine = FeedInterest.subscription_id == subscription
    return int(await session.scalar(select(func.count()).select_from(FeedInterest).where(mine)) or 0)


async def add_interests(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add people of interest; for one who is there already the reference is replaced."""
    statement = upsert(FeedInterest)
    statement = statement.on_conflict_do_update(
        index_elements=[FeedInterest.subscription_id, FeedInterest.person_key],
        set_={"sealed_reference": statement.excluded.sealed_reference},
    )
    await session.execute(statement, list(rows))


async def remove_interests(session: AsyncSession, subscription: UUID, people: Collection[bytes]) -> int:
    """Take people out, and withhold what waits because of them; return how many were there."""
    mine = (FeedInterest.subscription_id == subscription) & FeedInterest.person_key.in_(people)
    gone = await session.execute(delete(FeedInterest).where(mine).returning(FeedInterest.person_key))
    await session.execute(
        update(FeedEvent)
        .where((FeedEvent.subscription_id == subscription) & FeedEvent.interest_key.in_(people) & _PENDING)
        .values(state=EventState.WITHHELD.value, sealed=None)
    )
    return len(gone.all())


async def next_positions(session: AsyncSession, wanted: Mapping[UUID, int]) -> dict[UUID, int]:
    """Take so many positions of each subscription and return the first ones.

    The rows are held until commit, so that the order is that of commits; in one order everywhere, so that no
    two transactions wait for each other.
    """
    mine = FeedSubscription.id.in_(wanted)
    await session.execute(
        select(FeedSubscription.id).where(mine).order_by(FeedSubscription.id).with_for_update()
    )
    await session.execute(_TAKE_POSITIONS, [{"of": i, "number": n} for i, n in wanted.items()])
    rows = await session.execute(select(FeedSubscription.id, FeedSubscription.last_position).where(mine))
    return {identifier: last - wanted[identifier] + 1 for identifier, last in rows.all()}


async def queue(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add events; one that a subscription has already is passed over."""
    await session.execute(upsert(FeedEvent).on_conflict_do_nothing(), list(rows))


async def waiting(session: AsyncSession, subscription: UUID, limit: int) -> Sequence[FeedEvent]:
    """Return what waits, oldest first."""
    mine = (FeedEvent.subscription_id == subscription) & _PENDING
    return (
        await session.scalars(select(FeedEvent).where(mine).order_by(FeedEvent.position).limit(limit))
    ).all()


async def anything_waits(session: AsyncSession, subscription: UUID, agency: str) -> bool:
    """Tell whether a pull would find something, or whether the agency has no such subscription."""
    mine = exists().where((FeedSubscription.id == subscription) & (FeedSubscription.agency == agency))
    some = exists().where((FeedEvent.subscription_id == subscription) & _PENDING)
    found = (await session.execute(select(mine, some))).one()
    return bool(not found[0] or found[1])


async def acknowledge(session: AsyncSession, subscription: UUID, position: int) -> int:
    """Mark what was handed over up to a position as done; return how many that were."""
    mine = (FeedEvent.subscription_id == subscription) & (FeedEvent.position <= position) & _PENDING
    given = mine & FeedEvent.handed_over_at.is_not(None)
    done = update(FeedEvent).where(given).values(state=EventState.DONE.value)
    return len((await session.execute(done.returning(FeedEvent.position))).all())


async def last_given(session: AsyncSession, subscription: UUID) -> int:
    """Return the highest position that a page of the agency could end with."""
    gone = FeedEvent.state.in_([EventState.WITHHELD.value, EventState.EXPIRED.value])
    given = FeedEvent.handed_over_at.is_not(None) | gone
    mine = (FeedEvent.subscription_id == subscription) & given
    return int(await session.scalar(select(func.max(FeedEvent.position)).where(mine)) or 0)


async def put_back(
    session: AsyncSession, subscription: UUID, since: datetime, states: Collection[EventState]
) -> Sequence[int]:
    """Let events that were over wait again, as if never handed over; return their positions."""
    mine = (
        (FeedEvent.subscription_id == subscription)
        & (FeedEvent.queued_at >= since)
        & FeedEvent.sealed.is_not(None)
        & FeedEvent.state.in_([state.value for state in states])
    )
    again = update(FeedEvent).where(mine)
    again = again.values(
        state=EventState.PENDING.value, attempts=0, next_attempt_at=None, handed_over_at=None, error=None
    )
    return (await session.scalars(again.returning(FeedEvent.position))).all()


async def counts(
    session: AsyncSession, subscriptions: Collection[UUID]
) -> dict[UUID, dict[str, tuple[int, datetime]]]:
    """Return how many events are in each state, and since when the oldest."""
    statement = (
        select(FeedEvent.subscription_id, FeedEvent.state, func.count(), func.min(FeedEvent.queued_at))
        .where(FeedEvent.subscription_id.in_(subscriptions))
        .group_by(FeedEvent.subscription_id, FeedEvent.state)
    )
    found: dict[UUID, dict[str, tuple[int, datetime]]] = {}
    for identifier, state, number, oldest in await session.execute(statement):
        found.setdefault(identifier, {})[state] = (number, oldest)
    return found


async def events_of(
    session: AsyncSession, subscription: UUID, *, state: str | None, after: int, limit: int
) -> Sequence[FeedEvent]:
    statement = select(FeedEvent).where(
        (FeedEvent.subscription_id == subscription) & (FeedEvent.position > after)
    )
    if state is not None:
        statement = statement.where(FeedEvent.state == state)
    return (await session.scalars(statement.order_by(FeedEvent.position).limit(limit))).all()


async def attempts_of(
    session: AsyncSession, subscription: UUID, *, before: UUID, limit: int
) -> Sequence[FeedAttempt]:
    """Return attempts, newest first."""
    mine = (FeedAttempt.subscription_id == subscription) & (FeedAttempt.id < before)
    statement = select(FeedAttempt).where(mine).order_by(FeedAttempt.id.desc()).limit(limit)
    return (await session.scalars(statement)).all()


def add_attempts(session: AsyncSession, *rows: Mapping[str, Any]) -> None:
    """Keep attempts when the transaction commits."""
    write_last(session, FeedAttempt.metadata.tables[FeedAttempt.__tablename__], *rows)


async def backlog(session: AsyncSession) -> Sequence[Row[str, str, int, datetime]]:
    """Return delivery, state, number and oldest time of what waits or was given up."""
    live = FeedEvent.sealed.is_not(None) & FeedEvent.state.in_(
        [EventState.PENDING.value, EventState.DEAD.value]
    )
    statement = (
        select(FeedSubscription.delivery, FeedEvent.state, func.count(), func.min(FeedEvent.queued_at))
        .join(FeedSubscription, FeedSubscription.id == FeedEvent.subscription_id)
        .where(live)
        .group_by(FeedSubscription.delivery, FeedEvent.state)
    )
    return (await session.execute(statement)).all()


async def count_failing(session: AsyncSession) -> int:
    active = FeedSubscription.state == SubscriptionState.ACTIVE.value
    failing = active & (FeedSubscription.failures > 0)
    return int(await session.scalar(select(func.count()).select_from(FeedSubscription).where(failing)) or 0)


async def clear(session: AsyncSession, subscription: UUID) -> None:
    """Forget people and contents of a subscription that ended."""
    await session.execute(delete(FeedInterest).where(FeedInterest.subscription_id == subscription))
    mine = FeedEvent.subscription_id == subscription
    await session.execute(
        update(FeedEvent).where(mine & _PENDING).values(state=EventState.WITHHELD.value, sealed=None)
    )
    await session.execute(update(FeedEvent).where(mine & FeedEvent.sealed.is_not(None)).values(sealed=None))


async def erase(
    session: AsyncSession, *, undelivered_before: datetime, done_before: datetime, rows_before: datetime
) -> tuple[int, int]:
    """Erase contents that are past their time, and rows and attempts long after; return how many of each."""
    sealed = FeedEvent.sealed.is_not(None)
    late = update(FeedEvent).where(sealed & _PENDING & (FeedEvent.queued_at < undelivered_before))
    expired = await session.execute(
        late.values(state=EventState.EXPIRED.value, sealed=None).returning(FeedEvent.position)
    )
    over = FeedEvent.state.in_([EventState.DONE.value, EventState.WITHHELD.value])
    done = over & (func.coalesce(FeedEvent.handed_over_at, FeedEvent.queued_at) < done_before)
    dead = (FeedEvent.state == EventState.DEAD.value) & (FeedEvent.queued_at < undelivered_before)
    erased = await session.execute(
        update(FeedEvent).where(sealed & (done | dead)).values(sealed=None).returning(FeedEvent.position)
    )
    await session.execute(
        delete(FeedEvent).where(FeedEvent.sealed.is_(None) & (FeedEvent.queued_at < rows_before))
    )
    await session.execute(delete(FeedAttempt).where(FeedAttempt.attempted_at < rows_before))
    return len(expired.all()), len(erased.all())
