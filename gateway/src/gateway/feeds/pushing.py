"""Use cases: hand an event to a webhook, keep the attempt, and decide when and whether to try again."""

import random
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
from gateway.feeds.messages import Letter, confirmation, letter
from gateway.feeds.models import Delivery, EventState, FeedSubscription, SubscriptionState
from gateway.feeds.rights import Receiver, rights_of
from gateway.feeds.schemas import AttemptOut, FeedEventOut
from gateway.feeds.vocabulary import Form

PING = "ndx.feed-ping.v1"
_LONGEST = 3600.0
_HELD_SECONDS = 2.0
"""How soon a webhook is looked at again whose agreement or agency holds it back now."""
_LEASE_SECONDS = 60.0
"""After a crash in the middle of a call the event is tried again this much later."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event on its way: what is sent, and where it lies."""

    position: int
    event_id: UUID
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
        receiver = Receiver(subscription.system, str(new_id()), None, None)
        rights = await rights_of(session, subscription, receiver)
        try:
            rights.require()
        except DomainError:
            subscription.next_attempt_at = now + timedelta(seconds=_HELD_SECONDS)
            return Next.NONE
        row = await repository.next_due(session, identifier, now)
        if row is None:
            return Next.NONE
        event = await hand_over(session, desk_of(runtime).box, rights, row, once=True)
        if event is None:
            return Next.ANOTHER
        row.next_attempt_at = now + timedelta(seconds=_LEASE_SECONDS)
        parcel = Parcel(row.position, row.event_id, letter(Form(subscription.form), event, identifier))
    runtime.nudge()
    return parcel


async def _keep(runtime: Runtime, identifier: UUID, parcel: Parcel | None, answer: Answer) -> None:
    """Keep an attempt, and what follows from it for the event and for the webhook."""
    now = datetime.now(UTC)
    async with runtime.sessions() as session, session.begin():
        subscription = await repository.find(session, identifier, lock=True)
        if subscription is None:
            return
        event_id = parcel.event_id if parcel is not None else new_id()
        await _add_attempt(session, subscription, parcel, event_id, answer)
        if answer.delivered or answer.is_refusal:
            subscription.failures, subscription.next_attempt_at = 0, None
        else:
            subscription.failures += 1
            pause = delay_after(subscription.failures, subscription.first_delay_seconds)
            pause = max(pause, timedelta(seconds=answer.retry_after or 0))
            subscription.next_attempt_at = now + pause
        row = None if parcel is None else await repository.find_event(session, identifier, parcel.position)
        if row is None or row.state != EventState.PENDING.value:
            return
        row.next_attempt_at, row.error = None, answer.error
        if answer.delivered:
            row.state = EventState.DONE.value
            subscription.acknowledged = max(subscription.acknowledged, row.position)
        elif answer.is_refusal:
            row.attempts += 1
            row.next_attempt_at = now + delay_after(row.attempts, subscription.first_delay_seconds)
            if row.attempts >= subscription.max_attempts:
                row.state = EventState.DEAD.value
                log.warning("feed_event_given_up", agency=subscription.agency, error=answer.error)


async def _add_attempt(
    session: AsyncSession,
    subscription: FeedSubscription,
    parcel: Parcel | None,
    event_id: UUID,
    answer: Answer,
) -> UUID:
    identifier = new_id()
    values = {
        "id": identifier,
        "subscription_id": subscription.id,
        "position": None if parcel is None else parcel.position,
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
    async with desk.pings, Line(subscription.endpoint, subscription.endpoint_ca, desk.identity) as line:
        answer = await line.post(letter(Form(subscription.form), test, identifier))
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
    async with desk.pings, Line(subscription.endpoint, subscription.endpoint_ca, desk.identity) as line:
        answer = await line.post(asked)
    async with runtime.sessions() as session, session.begin():
        await _add_attempt(session, subscription, None, message, answer)
