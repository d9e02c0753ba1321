"""Use cases: call a webhook without an event, to try it or to have it confirmed."""

from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id

from gateway.feeds import repository
from gateway.feeds.calling import Line
from gateway.feeds.desk import desk_of
from gateway.feeds.errors import FeedDeliveryMismatch, FeedStepRefused, FeedUnavailable
from gateway.feeds.handing_over import ENTITY, mine
from gateway.feeds.messages import batch, confirmation, letter
from gateway.feeds.models import Delivery, SubscriptionState
from gateway.feeds.pushing import attempt_row
from gateway.feeds.rights import rights_of
from gateway.feeds.schemas import AttemptOut, FeedEventOut
from gateway.feeds.vocabulary import Form

PING = "ndx.feed-ping.v1"


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
    line = Line(subscription.endpoint, subscription.endpoint_ca, desk.identity, fresh=True)
    async with desk.pings(subscription.agency), line:
        several = subscription.max_events > 1
        made = batch([test]) if several else letter(Form(subscription.form), test, identifier)
        answer = await line.post(made)
    async with runtime.sessions() as session, session.begin():
        attempt = attempt_row(identifier, None, event_id, answer)
        repository.add_attempts(session, attempt)
        await record_audit(
            session,
            caller,
            action="feed_pinged",
            entity_type=ENTITY,
            entity_id=identifier,
            details={"delivered": answer.delivered},
        )
    return AttemptOut(
        id=attempt["id"],
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
    line = Line(subscription.endpoint, subscription.endpoint_ca, desk.identity, fresh=True)
    async with desk.pings(subscription.agency), line:
        answer = await line.post(asked)
    async with runtime.sessions() as session, session.begin():
        repository.add_attempts(session, attempt_row(identifier, None, message, answer))
