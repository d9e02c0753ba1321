"""What is read of feeds: subscriptions and how they stand, what became of each event, calls of webhooks."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.metrics import gauge
from ndx_contracts.agreements import AdminScope
from ndx_contracts.feeds import FED, FedEvent, People
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.feeds import repository
from gateway.feeds.desk import desk_of
from gateway.feeds.errors import FeedSubscriptionNotFound
from gateway.feeds.handing_over import mine
from gateway.feeds.models import Delivery, EventState, FeedSubscription, SubscriptionState
from gateway.feeds.rights import all_rights
from gateway.feeds.schemas import (
    AttemptOut,
    AttemptPage,
    EventStatus,
    EventStatusPage,
    EventTypeList,
    EventTypeOut,
    KeySet,
    Retry,
    SigningKey,
    SubscriptionOut,
    SubscriptionPage,
)
from gateway.feeds.vocabulary import Form

_NO_ID = UUID(int=0)
_LAST_ID = UUID(int=2**128 - 1)


def event_types() -> EventTypeList:
    """Return what may be followed."""
    return EventTypeList(items=[_event_type(fed) for fed in FED])


def signing_keys(runtime: Runtime) -> KeySet:
    """Return the keys by which bodies of webhooks are signed."""
    identity = desk_of(runtime).identity
    return KeySet(keys=[] if identity is None else [SigningKey.model_validate(identity.signer.public)])


def _event_type(fed: FedEvent) -> EventTypeOut:
    schema = fed.event.model_json_schema()
    given = {*fed.members, *([] if fed.names is None else [fed.names])}
    # Each member may be left out: the agreement decides.
    schema["properties"] = {name: body for name, body in schema["properties"].items() if name in given}
    schema.pop("required", None)
    schema.pop("description", None)
    return EventTypeOut(
        type=fed.type,
        title=fed.title[1],
        title_vi=fed.title[0],
        says=fed.says,
        members=dict(fed.members),
        names=fed.names,
        has_place=fed.place is not None,
        operation=fed.operation(People.OF_INTEREST),
        operation_for_everybody=fed.operation(People.EVERYBODY),
        json_schema=schema,
    )


async def shown(session: AsyncSession, rows: Sequence[FeedSubscription]) -> list[SubscriptionOut]:
    counted = await repository.counts(session, [s.id for s in rows])
    rights = await all_rights(session, [s for s in rows if s.state != SubscriptionState.ENDED.value])
    items = []
    for one in rows:
        states = counted.get(one.id, {})
        waiting, since = states.get(EventState.PENDING.value, (0, None))
        items.append(
            SubscriptionOut(
                id=one.id,
                agency=one.agency,
                system=one.system,
                agreement=one.agreement_id,
                purpose=one.purpose,
                event_types=one.event_types,
                people=People(one.people),
                scope=AdminScope(provinces=tuple(one.provinces), communes=tuple(one.communes)),
                delivery=Delivery(one.delivery),
                endpoint=one.endpoint,
                form=Form(one.form),
                max_events=one.max_events,
                retry=Retry(max_attempts=one.max_attempts, first_delay_seconds=one.first_delay_seconds),
                officer=one.officer,
                case_id=one.case_id,
                state=SubscriptionState(one.state),
                state_reason=one.state_reason,
                held_by=rights[one.id].held_by if one.id in rights else None,
                people_of_interest=await repository.count_interests(session, one.id),
                waiting=waiting,
                waiting_since=since,
                dead=states.get(EventState.DEAD.value, (0, None))[0],
                expired=states.get(EventState.EXPIRED.value, (0, None))[0],
                failures=one.failures,
                next_attempt_at=one.next_attempt_at,
                created_at=one.created_at,
            )
        )
    return items


async def page_of_subscriptions(
    session: AsyncSession, *, agency: str | None, state: str | None, after: UUID | None, limit: int
) -> SubscriptionPage:
    rows = await repository.page(session, agency=agency, state=state, after=after or _NO_ID, limit=limit + 1)
    more = len(rows) > limit
    return SubscriptionPage(
        items=await shown(session, rows[:limit]), next_cursor=str(rows[limit - 1].id) if more else None
    )


async def show(session: AsyncSession, agency: str | None, identifier: UUID) -> SubscriptionOut:
    """Return one subscription; `agency` is None for an operator, who may see all."""
    return (await shown(session, [await found(session, agency, identifier)]))[0]


async def found(
    session: AsyncSession, agency: str | None, identifier: UUID, *, lock: bool = False
) -> FeedSubscription:
    if agency is not None:
        return await mine(session, agency, identifier, lock=lock)
    row = await repository.find(session, identifier, lock=lock)
    if row is None:
        raise FeedSubscriptionNotFound
    return row


async def backlog(_runtime: Runtime, session: AsyncSession) -> Iterable[Metric]:
    """Return what the page of metrics shows of feeds: how much waits and since when, and who is not there."""
    rows = await repository.backlog(session)
    now = datetime.now(UTC)
    pending = [(delivery, oldest) for delivery, state, _, oldest in rows if state == EventState.PENDING.value]
    return [
        gauge(
            "ndx_feed_events",
            "Events of change feeds that wait to be handed over, or were given up.",
            {(delivery, state): number for delivery, state, number, _ in rows},
            ("ndx_feed_delivery", "ndx_feed_state"),
        ),
        gauge(
            "ndx_feed_lag_seconds",
            "Age of the oldest event of a change feed that waits to be handed over.",
            {(delivery,): (now - oldest).total_seconds() for delivery, oldest in pending},
            ("ndx_feed_delivery",),
        ),
        gauge(
            "ndx_feed_webhooks_failing",
            "Active webhooks that did not answer at the last call.",
            {(): await repository.count_failing(session)},
        ),
    ]


async def event_statuses(
    session: AsyncSession,
    agency: str | None,
    identifier: UUID,
    *,
    state: EventState | None,
    after: int,
    limit: int,
) -> EventStatusPage:
    """Return what became of each event, without contents."""
    await found(session, agency, identifier)
    wanted = None if state is None else state.value
    rows = await repository.events_of(session, identifier, state=wanted, after=after, limit=limit + 1)
    items = [
        EventStatus(
            cursor=str(row.position),
            id=row.event_id,
            type=row.event_type,
            state=EventState(row.state),
            attempts=row.attempts,
            queued_at=row.queued_at,
            handed_over_at=row.handed_over_at,
            next_attempt_at=row.next_attempt_at,
            error=row.error,
        )
        for row in rows[:limit]
    ]
    return EventStatusPage(items=items, next_cursor=items[-1].cursor if len(rows) > limit else None)


async def attempts(
    session: AsyncSession, agency: str | None, identifier: UUID, *, before: UUID | None, limit: int
) -> AttemptPage:
    """Return the calls of a webhook, newest first."""
    await found(session, agency, identifier)
    rows = await repository.attempts_of(session, identifier, before=before or _LAST_ID, limit=limit + 1)
    items = [
        AttemptOut(
            id=row.id,
            event_id=row.event_id,
            cursor=None if row.position is None else str(row.position),
            attempted_at=row.attempted_at,
            duration_ms=row.duration_ms,
            status=row.status,
            error=row.error,
            delivered=row.delivered,
        )
        for row in rows[:limit]
    ]
    return AttemptPage(items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)
