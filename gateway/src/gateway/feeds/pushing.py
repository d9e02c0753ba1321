"""Use cases: hand events to a webhook, keep the attempt, and decide when and whether to try again.

Who takes several at once gets what waits, in order, in one signed request. When such a request is refused
nobody knows which of its events was meant: each then goes alone, with all its attempts before it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError
from ndx_chassis.ids import new_id
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.feeds import repository
from gateway.feeds.calling import Answer, Line
from gateway.feeds.desk import desk_of
from gateway.feeds.errors import FeedDeliveryMismatch, FeedStepRefused, FeedUnavailable
from gateway.feeds.handing_over import ENTITY, hand_over, mine
from gateway.feeds.messages import Letter, batch, confirmation, letter
from gateway.feeds.models import Delivery, EventState, FeedEvent, FeedSubscription, SubscriptionState
from gateway.feeds.rights import Receiver, rights_of
from gateway.feeds.schemas import AttemptOut, FeedEventOut
from gateway.feeds.vocabulary import Form

PING = "ndx.feed-ping.v1"
_LONGEST = 3600.0
_HELD_SECONDS = 2.0
"""How soon a webhook is looked at again whose agreement or agency holds it back now."""
_LEASE_SECONDS = 60.0
"""After a crash in the middle of a call the event is tried again this much later."""


REFUSED_TOGETHER = "batch-"
"""What the error of an event begins with that goes alone from now on."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Events on their way in one request: what is sent, and where they lie."""

    events: tuple[tuple[int, UUID], ...]
    """Position and id of each."""
    letter: Letter


class Next(Enum):
    """What comes instead of an event: nothing now, a look whether anybody is there, or the next one."""

    NONE = "none"
    LOOK = "look"
    ANOTHER = "another"


def delay_after(attempts: int, first_seconds: float) -> timedelta:
    """Return the growing pause before the next attempt: doubling up to an hour, with jitter."""
    seconds = min(first_seconds * 2 ** min(attempts - 1, 20), _LONGEST)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter is no secret


async def line_of(runtime: Runtime, subscription: UUID) -> Line | None:
    """Return a line to the webhook of an active subscription."""
    async with runtime.sessions() as session:
        found = await repository.find(session, subscription)
    if found is None or found.endpoint is None or found.state != SubscriptionState.ACTIVE.value:
        return None
    identity = desk_of(runtime).identity
    return None if identity is None else Line(found.endpoint, found.endpoint_ca, identity)


async def push_next(runtime: Runtime, line: Line, identifier: UUID) -> bool:
    """Push the next event that is due; False when there is none, or the webhook is to be left alone now."""
    taken = await _take(runtime, identifier, looked=False)
    if taken is Next.LOOK:
        # Nothing is handed over, and nobody told of a disclosure, while nobody answers there.
        seen = await line.look()
        if not seen.delivered:
            await _keep(runtime, identifier, None, seen)
            return False
        taken = await _take(runtime, identifier, looked=True)
    if not isinstance(taken, Parcel):
        return taken is Next.ANOTHER
    answer = await line.post(taken.letter)
    await _keep(runtime, identifier, taken, answer)
    return answer.delivered or answer.is_refusal


async def _take(runtime: Runtime, identifier: UUID, *, looked: bool) -> Parcel | Next:
    """Take the next event in hand with its disclosure record; committed before a byte of it is sent."""
    now = datetime.now(UTC)
    async with runtime.sessions() as session, session.begin():
        subscription = await repository.find(session, identifier, lock=True)
        if subscription is None or subscription.state != SubscriptionState.ACTIVE.value:
            return Next.NONE
        if subscription.failures and not looked:
            return Next.LOOK
        # One is enough to be lost where lately nobody answered.
        most = 1 if looked else subscription.max_events
        # First of all: a worker asks once more than there are events, and rights cost the most to find out.
        rows = _together(await repository.next_due(session, identifier, now, most))
        if not rows:
            return Next.NONE
        receiver = Receiver(subscription.system, str(new_id()), None, None)
        rights = await rights_of(session, subscription, receiver)
        try:
            rights.require()
        except DomainError:
            subscription.next_attempt_at = now + timedelta(seconds=_HELD_SECONDS)
            return Next.NONE
        given = []
        for row in rows:
            event = await hand_over(session, desk_of(runtime).box, rights, row, once=True)
            if event is not None:
                row.next_attempt_at = now + timedelta(seconds=_LEASE_SECONDS)
                given.append((row, event))
        if not given:
            return Next.ANOTHER
        sent = [event for _, event in given]
        several = subscription.max_events > 1
        made = batch(sent) if several else letter(Form(subscription.form), sent[0], identifier)
        parcel = Parcel(tuple((row.position, row.event_id) for row, _ in given), made)
    runtime.nudge()
    return parcel


def _together(rows: Sequence[FeedEvent]) -> list[FeedEvent]:
    """Return what goes in one request: an event that was refused goes alone."""
    alone = [row.attempts > 0 or (row.error or "").startswith(REFUSED_TOGETHER) for row in rows]
    if not rows or alone[0]:
        return list(rows[:1])
    return list(rows[: alone.index(True)] if True in alone else rows)


async def _keep(runtime: Runtime, identifier: UUID, parcel: Parcel | None, answer: Answer) -> None:
    """Keep an attempt, and what follows from it for the event and for the webhook."""
    now = datetime.now(UTC)
    async with runtime.sessions() as session, session.begin():
        subscription = await repository.find(session, identifier, lock=True)
        if subscription is None:
            return
        for position, event_id in [(None, new_id())] if parcel is None else parcel.events:
            await _add_attempt(session, subscription, position, event_id, answer)
        if answer.delivered or answer.is_refusal:
            subscription.failures, subscription.next_attempt_at = 0, None
        else:
            subscription.failures += 1
            pause = delay_after(subscription.failures, subscription.first_delay_seconds)
            pause = max(pause, timedelta(seconds=answer.retry_after or 0))
            subscription.next_attempt_at = now + pause
        events = () if parcel is None else parcel.events
        for position, _ in events:
            row = await repository.find_event(session, identifier, position)
            if row is not None and row.state == EventState.PENDING.value:
                _follow(subscription, row, answer, now, together=len(events) > 1)


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


async def _add_attempt(
    session: AsyncSession,
    subscription: FeedSubscription,
    position: int | None,
    event_id: UUID,
    answer: Answer,
) -> UUID:
    identifier = new_id()
    values = {
        "id": identifier,
        "subscription_id": subscription.id,
        "position": position,
        "event_id": event_id,
        "attempted_at": datetime.now(UTC),
        "duration_ms": answer.duration_ms,
        "status": answer.status,
        "error": answer.error,
        "delivered": answer.delivered,
    }
    await repository.add_attempt(session, values)
    return identifier


async def ping(runtime: Runtime, caller: Caller, *, identifier: UUID) -> AttemptOut:
    """Send a test event that is about nobody, and say what came back; no session is held meanwhile.

    Raises:
        FeedSubscriptionNotFound, FeedDeliveryMismatch, FeedStepRefused: there is no webhook to call.
        FeedUnavailable: the exchange has no key to sign with.
    """
    async with runtime.sessions() as session:
        subscription = await mine(session, caller.agency, identifier)
        if subscription.delivery != Delivery.PUSH.value:
            raise FeedDeliveryMismatch("It has no webhook.")
        if subscription.state in {SubscriptionState.ENDED.value, SubscriptionState.SUSPENDED.value}:
            raise FeedStepRefused(f"The subscription is {subscription.state}.")
        (await rights_of(session, subscription)).require()
    desk = desk_of(runtime)
    if desk.identity is None or subscription.endpoint is None:
        raise FeedUnavailable(retry_after=60)
    event_id = new_id()
    test = FeedEventOut(
        id=event_id, cursor="0", type=PING, source="/gateway", time=datetime.now(UTC), reference=None, data={}
    )
    line = Line(subscription.endpoint, subscription.endpoint_ca, desk.identity)
    async with desk.pings(subscription.agency), line:
        several = subscription.max_events > 1
        made = batch([test]) if several else letter(Form(subscription.form), test, identifier)
        answer = await line.post(made)
    async with runtime.sessions() as session, session.begin():
        attempt = await _add_attempt(session, subscription, None, event_id, answer)
        await record_audit(
            session,
            caller,
            action="feed_pinged",
            entity_type=ENTITY,
            entity_id=identifier,
            details={"delivered": answer.delivered},
        )
    return AttemptOut(
        id=attempt,
        event_id=event_id,
        cursor=None,
        attempted_at=test.time,
        duration_ms=answer.duration_ms,
        status=answer.status,
        error=answer.error,
        delivered=answer.delivered,
    )


async def ask_to_confirm(runtime: Runtime, identifier: UUID) -> None:
    """Send the message with the token to the address of a subscription that waits for its confirmation.

    Raises:
        FeedUnavailable: the exchange has no key to sign with.
    """
    desk = desk_of(runtime)
    async with runtime.sessions() as session:
        subscription = await repository.find(session, identifier)
    if subscription is None or subscription.endpoint is None:
        return
    if desk.identity is None:
        raise FeedUnavailable(retry_after=60)
    token = desk.box.token(identifier, subscription.endpoint)
    message = new_id()
    asked = confirmation(
        identifier, subscription.event_types[0], token, message_id=message, moment=datetime.now(UTC)
    )
    line = Line(subscription.endpoint, subscription.endpoint_ca, desk.identity)
    async with desk.pings(subscription.agency), line:
        answer = await line.post(asked)
    async with runtime.sessions() as session, session.begin():
        await _add_attempt(session, subscription, None, message, answer)
