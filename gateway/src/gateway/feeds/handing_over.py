"""Use cases: give an agency what waits for it and record that in the same transaction; acknowledge."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.agreements import AdminScope
from ndx_contracts.disclosure import Outcome
from ndx_contracts.feeds import BY_TYPE
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.feeds import repository
from gateway.feeds.desk import desk_of
from gateway.feeds.errors import (
    FeedCursorInvalid,
    FeedDeliveryMismatch,
    FeedStepRefused,
    FeedSubscriptionNotFound,
)
from gateway.feeds.models import Delivery, EventState, FeedEvent, FeedSubscription, SubscriptionState
from gateway.feeds.redaction import excerpt, lies_within, subjects
from gateway.feeds.rights import Receiver, Rights, rights_of
from gateway.feeds.schemas import AckOut, FeedEventOut, FeedPage, ReplayOut
from gateway.feeds.sealing import Box

ENTITY = "feed_subscription"


async def mine(
    session: AsyncSession, agency: str, identifier: UUID, *, lock: bool = False
) -> FeedSubscription:
    """Return an agency's own subscription.

    Raises:
        FeedSubscriptionNotFound: it has none of this id; others' are none of its business.
    """
    found = await repository.find(session, identifier, lock=lock)
    if found is None or found.agency != agency:
        raise FeedSubscriptionNotFound
    return found


async def pull(
    session: AsyncSession, runtime: Runtime, caller: Caller, *, identifier: UUID, limit: int
) -> FeedPage:
    """Return the oldest events that are not acknowledged; each time is a disclosure.

    Raises:
        FeedSubscriptionNotFound, FeedDeliveryMismatch, FeedStepRefused: there is nothing to pull here.
        NoAgreement, AgreementSuspended, … : what holds the agreement's calls back holds the feed back too.
    """
    # Held until commit: two pulls at once give the same events one after the other.
    subscription = await mine(session, caller.agency, identifier, lock=True)
    if subscription.delivery != Delivery.PULL.value:
        raise FeedDeliveryMismatch("Its events are pushed to the endpoint.")
    if subscription.state != SubscriptionState.ACTIVE.value:
        raise FeedStepRefused(f"The subscription is {subscription.state}.")
    receiver = Receiver(caller.system, caller.request_id, caller.officer, caller.case_id)
    rights = await rights_of(session, subscription, receiver)
    rights.require()
    rows = await repository.waiting(session, identifier, limit + 1)
    box = desk_of(runtime).box
    items = [await hand_over(session, box, rights, row) for row in rows[:limit]]
    return FeedPage(
        items=[item for item in items if item is not None],
        next_cursor=str(rows[:limit][-1].position) if rows else None,
        more=len(rows) > limit,
    )


async def hand_over(
    session: AsyncSession, box: Box, rights: Rights, row: FeedEvent, *, once: bool = False
) -> FeedEventOut | None:
    """Open one event as far as the agreement lets it out now, and record that; None when nothing is left.

    With `once` a further attempt of the same hand-over leaves no further record.

    Raises:
        What holds the agreement's calls back at this moment.
    """
    fed, subscription = BY_TYPE[row.event_type], rights.subscription
    right = rights.of(fed)
    if right is None or row.sealed is None:
        _withhold(row)
        return None
    content: dict[str, Any] = orjson.loads(box.open(row.sealed, subscription.id, row.event_id.bytes))
    # The terms may have become narrower since the event was queued.
    given = excerpt(fed, content["data"], right.grant.field_groups)
    scope = AdminScope(provinces=tuple(subscription.provinces), communes=tuple(subscription.communes))
    place = dict(zip(fed.place or (), content["place"], strict=True))
    if given is None or not lies_within(fed, place, right.grant.agreement.admin_scope, scope):
        _withhold(row)
        return None
    if row.handed_over_at is None or not once:
        if fed.addressee is None:
            await disclose(
                session,
                right.caller,
                grant=right.grant,
                subjects=subjects(fed, given.data, content["about"]),
                field_groups=given.field_groups,
                outcome=Outcome.DISCLOSED,
            )
        row.handed_over_at = datetime.now(UTC)
        if once and given.data != content["data"]:
            # Further attempts leave no record: they never give more than this one says.
            kept = orjson.dumps({**content, "data": given.data})
            row.sealed = box.seal(kept, subscription.id, row.event_id.bytes)
    return FeedEventOut(
        id=row.event_id,
        cursor=str(row.position),
        type=row.event_type,
        source=content["source"],
        time=datetime.fromisoformat(content["time"]),
        reference=content["reference"],
        data=given.data,
    )


def _withhold(row: FeedEvent) -> None:
    row.state, row.sealed = EventState.WITHHELD.value, None


async def acknowledge(session: AsyncSession, caller: Caller, *, identifier: UUID, position: int) -> AckOut:
    """Take an agency's word that it has everything up to a cursor; an older cursor changes nothing.

    Raises:
        FeedCursorInvalid: events up to there have not been handed over.
    """
    subscription = await mine(session, caller.agency, identifier, lock=True)
    if position > max(subscription.acknowledged, await repository.last_given(session, identifier)):
        raise FeedCursorInvalid("Nothing as late as this was handed over.")
    done = await repository.acknowledge(session, identifier, position)
    if done or position > subscription.acknowledged:
        subscription.acknowledged = max(subscription.acknowledged, position)
        await session.flush()
        await record_audit(
            session,
            caller,
            action="feed_acknowledged",
            entity_type=ENTITY,
            entity_id=identifier,
            details={"position": position, "events": done},
        )
    counted = (await repository.counts(session, [identifier])).get(identifier, {})
    waiting = counted.get(EventState.PENDING.value, (0, None))[0]
    return AckOut(acknowledged=subscription.acknowledged, waiting=waiting)


async def give_again(
    session: AsyncSession, subscription: FeedSubscription, *, since: datetime, dead_only: bool
) -> ReplayOut:
    """Let what was handed over since a time, or was given up, wait again; as long as it is kept.

    Raises:
        FeedStepRefused: the subscription has ended.
    """
    if subscription.state == SubscriptionState.ENDED.value:
        raise FeedStepRefused("The subscription has ended.")
    states = [EventState.DEAD] if dead_only else [EventState.DEAD, EventState.DONE]
    positions: Sequence[int] = await repository.put_back(session, subscription.id, since, states)
    if positions:
        subscription.failures, subscription.next_attempt_at = 0, None
        await session.flush()
    return ReplayOut(replayed=len(positions))
