"""Use cases: hand events to webhooks, keep the attempts, and decide when and whether to try again.

Many webhooks share a transaction: what came of the calls that have ended is kept, and the next events are
taken in hand with their disclosure records, before a byte of them is sent. A subscription that a worker has
taken is leased to it: nobody else sends there until it has said what came of it, or the lease has ended. It
is short, and kept for as long as the call goes on.

Who takes several events at once gets what waits, in order, in one signed request. When such a request is
refused nobody knows which of its events was meant: each then goes alone, with all its attempts before it.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.errors import DomainError
from ndx_chassis.ids import new_id
from ndx_chassis.problems import is_connection_trouble
from ndx_chassis.telemetry import log
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.feeds import leases, pushing_sql, repository
from gateway.feeds.calling import Answer, Line
from gateway.feeds.desk import desk_of
from gateway.feeds.handing_over import hand_over
from gateway.feeds.messages import Letter, batch, letter
from gateway.feeds.models import EventState, FeedEvent, FeedSubscription, SubscriptionState
from gateway.feeds.rights import all_rights
from gateway.feeds.vocabulary import Form

_LONGEST = 3600.0
_HELD_SECONDS = 2.0
"""How soon a webhook is looked at again whose agreement or agency holds it back now."""
_UNREADABLE_SECONDS = 30.0


REFUSED_TOGETHER = "batch-"
"""What the error of an event begins with that goes alone from now on."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events on their way in one request: what is sent, and where they lie."""

    events: tuple[tuple[int, UUID], ...]
    """Position and id of each."""
    letter: Letter


@dataclass(frozen=True, slots=True)
class Errand:
    """A call to be made."""

    subscription: UUID
    endpoint: str
    endpoint_ca: str | None
    parcel: Parcel | None
    """None: nobody answered there lately, so a look whether anybody does comes first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an errand; without an answer nothing did."""

    subscription: UUID
    parcel: Parcel | None
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Round:
    """What one transaction took in hand: the calls to be made, and who is to be asked again at once."""

    errands: Sequence[Errand]
    again: Sequence[UUID] = ()


def delay_after(attempts: int, first_seconds: float) -> timedelta:
    """Return the growing pause before the next attempt: doubling up to an hour, with jitter."""
    seconds = min(first_seconds * 2 ** min(attempts - 1, 20), _LONGEST)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret


async def exchange(
    runtime: Runtime, worker: UUID, outcomes: Collection[Outcome], wanted: Collection[UUID]
) -> Round:
    """Keep what became of errands, and take the next events of some subscriptions in hand."""
    async with runtime.sessions() as session, session.begin():
        await _keep(session, worker, outcomes)
        found = await _take(session, runtime, worker, wanted) if wanted else Round(())
    runtime.nudge()
    return found


async def keep_leases(runtime: Runtime, worker: UUID, held: Collection[UUID]) -> Collection[UUID]:
    """Renew leases of calls that go on, and return whose."""
    async with runtime.sessions() as session, session.begin():
        return await pushing_sql.keep_leases(session, held, worker, leases.LEASE_SECONDS)


async def run(runtime: Runtime, worker: UUID, errand: Errand, line: Line) -> Outcome:
    """Make a call; where nobody answered lately nothing is handed over before somebody does."""
    parcel = errand.parcel
    if parcel is None:
        seen = await line.look()
        if not seen.delivered:
            return Outcome(errand.subscription, None, seen)
        async with runtime.sessions() as session, session.begin():
            mine = await pushing_sql.take_leased(session, [errand.subscription], worker)
            active = [one for one in mine if one.state == SubscriptionState.ACTIVE.value]
            # One is enough to be lost where lately nobody answered.
            found = await _pack(session, runtime, active, most=1)
            parcel = next((errand.parcel for errand in found.errands), None)
        runtime.nudge()
        if parcel is None:
            return Outcome(errand.subscription, None, None)
    return Outcome(errand.subscription, parcel, await line.post(parcel.letter))


async def _take(session: AsyncSession, runtime: Runtime, worker: UUID, wanted: Collection[UUID]) -> Round:
    """Lease what is free and has something to send, and take it in hand."""
    found = await pushing_sql.take_free(session, wanted, datetime.now(UTC))
    free = [subscription for subscription, _ in found]
    for subscription, there in found:
        subscription.leased_by = worker
        subscription.leased_until = there + timedelta(seconds=leases.LEASE_SECONDS)
    looks = [_errand(subscription, None) for subscription in free if subscription.failures]
    packed = await _pack(session, runtime, [one for one in free if not one.failures])
    sent = {errand.subscription for errand in packed.errands}
    for subscription in free:
        if not subscription.failures and subscription.id not in sent:
            subscription.leased_by = None
    return Round([*looks, *packed.errands], packed.again)


async def _pack(
    session: AsyncSession, runtime: Runtime, mine: Sequence[FeedSubscription], *, most: int | None = None
) -> Round:
    """Take the next events in hand with their disclosure records, as far as rights go at this moment."""
    now, box = datetime.now(UTC), desk_of(runtime).box
    due = await pushing_sql.next_due(session, {one.id: most or one.max_events for one in mine}, now)
    # A suspension that is committed by now is seen here: rights are asked anew in each transaction.
    rights = await all_rights(session, [one for one in mine if one.id in due], lambda: str(new_id()))
    errands, again = [], []
    for identifier, right in rights.items():
        subscription = right.subscription
        try:
            right.require()
        except DomainError:
            subscription.next_attempt_at = now + timedelta(seconds=_HELD_SECONDS)
            continue
        rows = _together(due[identifier])
        try:
            events = [(row, await hand_over(session, box, right, row, once=True)) for row in rows]
        except Exception as error:
            if is_connection_trouble(error) or isinstance(error, SQLAlchemyError):
                raise
            # What lies there is this webhook's trouble and nobody else's.
            log.error("feed_event_unreadable", subscription=str(identifier), error=type(error).__name__)
            subscription.next_attempt_at = now + timedelta(seconds=_UNREADABLE_SECONDS)
            continue
        given = [(row, event) for row, event in events if event is not None]
        if not given:
            again.append(identifier)
            continue
        sent = [event for _, event in given]
        several = subscription.max_events > 1
        made = batch(sent) if several else letter(Form(subscription.form), sent[0], identifier)
        parcel = Parcel(tuple((row.position, row.event_id) for row, _ in given), made)
        errands.append(_errand(subscription, parcel))
    return Round(errands, again)


def _errand(subscription: FeedSubscription, parcel: Parcel | None) -> Errand:
    return Errand(subscription.id, subscription.endpoint or "", subscription.endpoint_ca, parcel)


def _together(rows: Sequence[FeedEvent]) -> list[FeedEvent]:
    """Return what goes in one request: an event that was refused goes alone."""
    alone = [row.attempts > 0 or (row.error or "").startswith(REFUSED_TOGETHER) for row in rows]
    if not rows or alone[0]:
        return list(rows[:1])
    return list(rows[: alone.index(True)] if True in alone else rows)


async def _keep(session: AsyncSession, worker: UUID, outcomes: Collection[Outcome]) -> None:
    """Keep attempts, and what follows from them for the events and for the webhooks."""
    if not outcomes:
        return
    now = datetime.now(UTC)
    # What was another's by now, after a lease had ended, is only told of.
    leased = await pushing_sql.take_leased(session, [one.subscription for one in outcomes], worker)
    mine = {subscription.id: subscription for subscription in leased}
    places = [(o.subscription, position) for o in outcomes if o.parcel for position, _ in o.parcel.events]
    rows = await pushing_sql.sent(session, places) if places else {}
    for outcome in outcomes:
        answer, events = outcome.answer, () if outcome.parcel is None else outcome.parcel.events
        if answer is not None:
            tried: Sequence[tuple[int | None, UUID]] = events or [(None, new_id())]
            attempts = [attempt_row(outcome.subscription, place, event, answer) for place, event in tried]
            repository.add_attempts(session, *attempts)
        subscription = mine.get(outcome.subscription)
        if subscription is None:
            continue
        subscription.leased_by = None
        if answer is None:
            continue
        _rest(subscription, answer, now)
        for position, _ in events:
            row = rows.get((subscription.id, position))
            if row is not None and row.state == EventState.PENDING.value:
                _follow(subscription, row, answer, now, together=len(events) > 1)


def _rest(subscription: FeedSubscription, answer: Answer, now: datetime) -> None:
    """Let a webhook that was not there be left alone for a while, longer each time."""
    if answer.delivered or answer.is_refusal:
        subscription.failures, subscription.next_attempt_at = 0, None
        return
    subscription.failures += 1
    pause = delay_after(subscription.failures, subscription.first_delay_seconds)
    pause = max(pause, timedelta(seconds=answer.retry_after or 0))
    subscription.next_attempt_at = now + pause


def _follow(
    subscription: FeedSubscription, row: FeedEvent, answer: Answer, now: datetime, *, together: bool
) -> None:
    """Let an event follow from the answer to the request in which it went."""
    row.next_attempt_at, row.error = None, answer.error
    if answer.delivered:
        row.state = EventState.DONE.value
        subscription.acknowledged = max(subscription.acknowledged, row.position)
    elif answer.is_refusal and together:
        row.error = f"{REFUSED_TOGETHER}{answer.error}"
    elif answer.is_refusal:
        row.attempts += 1
        row.next_attempt_at = now + delay_after(row.attempts, subscription.first_delay_seconds)
        if row.attempts >= subscription.max_attempts:
            row.state = EventState.DEAD.value
            log.warning("feed_event_given_up", agency=subscription.agency, error=answer.error)


def attempt_row(
    subscription: UUID, position: int | None, event_id: UUID, answer: Answer
) -> Mapping[str, Any]:
    """Return an attempt as it is kept."""
    return {
        "id": new_id(),
        "subscription_id": subscription,
        "position": position,
        "event_id": event_id,
        "attempted_at": datetime.now(UTC),
        "duration_ms": answer.duration_ms,
        "status": answer.status,
        "error": answer.error,
        "delivered": answer.delivered,
    }
