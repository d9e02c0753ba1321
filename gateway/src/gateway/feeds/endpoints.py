"""HTTP door: agencies subscribe, say in whom they are interested, fetch, acknowledge; operators look."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import KNOWN_CALLER, CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.idempotency import IdempotencyKey, once

from gateway.agencies.schemas import ReasonIn
from gateway.doors import OperatorDep
from gateway.feeds import handing_over, pinging, reading, service, waiting
from gateway.feeds.models import EventState, SubscriptionState
from gateway.feeds.schemas import (
    AckIn,
    AckOut,
    AttemptOut,
    AttemptPage,
    EventStatusPage,
    EventTypeList,
    FeedPage,
    InterestRemovalIn,
    InterestsIn,
    InterestsOut,
    KeySet,
    ReplayIn,
    ReplayOut,
    SubscriptionIn,
    SubscriptionOut,
    SubscriptionPage,
)

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])
_AGENCY = operation(door="agency_metadata")
_EVENTS = operation(door="agency_metadata", personal_data=True)
Place = Annotated[int, Query(ge=0, lt=2**62)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/event-types", openapi_extra=_AGENCY, dependencies=[KNOWN_CALLER])
async def list_feed_event_types() -> EventTypeList:
    return reading.event_types()


@router.get("/signing-keys", openapi_extra=_AGENCY, dependencies=[KNOWN_CALLER])
async def list_signing_keys(runtime: RuntimeDep) -> KeySet:
    return reading.signing_keys(runtime)


@router.post("/subscriptions", status_code=201, openapi_extra=_AGENCY)
async def create_feed_subscription(
    *,
    body: SubscriptionIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
) -> SubscriptionOut:
    return await once(
        session,
        caller,
        grant=None,
        key=idempotency_key,
        request=body,
        response_type=SubscriptionOut,
        act=lambda: service.subscribe(session, runtime, caller, wanted=body),
    )


@router.get("/subscriptions", openapi_extra=_AGENCY)
async def list_my_feed_subscriptions(
    session: SessionDep, caller: CallerDep, cursor: UUID | None = None, limit: Limit = 200
) -> SubscriptionPage:
    return await reading.page_of_subscriptions(
        session, agency=caller.agency, state=None, after=cursor, limit=limit
    )


@router.get("/subscriptions/{subscription_id}", openapi_extra=_AGENCY)
async def show_my_feed_subscription(
    subscription_id: UUID, session: SessionDep, caller: CallerDep
) -> SubscriptionOut:
    return await reading.show(session, caller.agency, subscription_id)


@router.post("/subscriptions/{subscription_id}/pause", openapi_extra=_AGENCY)
async def pause_feed_subscription(
    subscription_id: UUID, session: SessionDep, caller: CallerDep
) -> SubscriptionOut:
    return await service.take_step(session, caller, identifier=subscription_id, step="pause")


@router.post("/subscriptions/{subscription_id}/resume", openapi_extra=_AGENCY)
async def resume_feed_subscription(
    subscription_id: UUID, session: SessionDep, caller: CallerDep
) -> SubscriptionOut:
    return await service.take_step(session, caller, identifier=subscription_id, step="resume")


@router.post("/subscriptions/{subscription_id}/end", openapi_extra=_AGENCY)
async def end_feed_subscription(
    subscription_id: UUID, session: SessionDep, caller: CallerDep
) -> SubscriptionOut:
    return await service.take_step(session, caller, identifier=subscription_id, step="end")


@router.post("/subscriptions/{subscription_id}/interests", openapi_extra=_AGENCY)
async def add_feed_interests(
    subscription_id: UUID, body: InterestsIn, session: SessionDep, runtime: RuntimeDep, caller: CallerDep
) -> InterestsOut:
    return await service.add_interests(
        session, runtime, caller, identifier=subscription_id, people=body.people
    )


@router.post("/subscriptions/{subscription_id}/interest-removals", openapi_extra=_AGENCY)
async def remove_feed_interests(
    subscription_id: UUID,
    body: InterestRemovalIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
) -> InterestsOut:
    return await service.remove_interests(
        session, runtime, caller, identifier=subscription_id, personal_ids=body.personal_ids
    )


async def _patience(
    subscription_id: UUID,
    runtime: RuntimeDep,
    caller: CallerDep,
    wait: Annotated[float, Query(ge=0, le=10, description="Seconds to wait for the first event.")] = 0,
) -> None:
    await waiting.until_something_waits(runtime, caller.agency, subscription_id, wait)


# The wait comes before the session: nobody holds a connection while nothing happens.
@router.get(
    "/subscriptions/{subscription_id}/events",
    openapi_extra=_EVENTS,
    dependencies=[NO_STORE, Depends(_patience)],
)
async def pull_feed_events(
    *,
    subscription_id: UUID,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> FeedPage:
    return await handing_over.pull(session, runtime, caller, identifier=subscription_id, limit=limit)


@router.post("/subscriptions/{subscription_id}/acks", openapi_extra=_AGENCY)
async def acknowledge_feed_events(
    subscription_id: UUID, body: AckIn, session: SessionDep, caller: CallerDep
) -> AckOut:
    return await handing_over.acknowledge(
        session, caller, identifier=subscription_id, position=int(body.cursor)
    )


@router.post("/subscriptions/{subscription_id}/replays", openapi_extra=_AGENCY)
async def replay_feed_events(
    subscription_id: UUID, body: ReplayIn, session: SessionDep, caller: CallerDep
) -> ReplayOut:
    return await service.replay(session, caller, identifier=subscription_id, wanted=body)


@router.post("/subscriptions/{subscription_id}/pings", openapi_extra=_AGENCY)
async def ping_feed_webhook(subscription_id: UUID, runtime: RuntimeDep, caller: CallerDep) -> AttemptOut:
    return await pinging.ping(runtime, caller, identifier=subscription_id)


@router.get("/subscriptions/{subscription_id}/event-states", openapi_extra=_AGENCY)
async def list_feed_event_states(
    *,
    subscription_id: UUID,
    session: SessionDep,
    caller: CallerDep,
    state: EventState | None = None,
    cursor: Place = 0,
    limit: Limit = 200,
) -> EventStatusPage:
    return await reading.event_statuses(
        session, caller.agency, subscription_id, state=state, after=cursor, limit=limit
    )


@router.get("/subscriptions/{subscription_id}/attempts", openapi_extra=_AGENCY)
async def list_feed_attempts(
    subscription_id: UUID,
    session: SessionDep,
    caller: CallerDep,
    cursor: UUID | None = None,
    limit: Limit = 200,
) -> AttemptPage:
    return await reading.attempts(session, caller.agency, subscription_id, before=cursor, limit=limit)


operators = APIRouter(prefix="/v1/feed-subscriptions", tags=["feeds"])
_OPERATOR = operation(door="operator")


@operators.get("", openapi_extra=_OPERATOR)
async def list_feed_subscriptions(
    *,
    session: SessionDep,
    operator: OperatorDep,
    agency: Annotated[str | None, Query(max_length=32)] = None,
    state: SubscriptionState | None = None,
    cursor: UUID | None = None,
    limit: Limit = 200,
) -> SubscriptionPage:
    del operator  # any operator may look: people and contents are not shown
    return await reading.page_of_subscriptions(session, agency=agency, state=state, after=cursor, limit=limit)


@operators.get("/{subscription_id}", openapi_extra=_OPERATOR)
async def show_feed_subscription(
    subscription_id: UUID, session: SessionDep, operator: OperatorDep
) -> SubscriptionOut:
    del operator  # any operator may look
    return await reading.show(session, None, subscription_id)


@operators.get("/{subscription_id}/event-states", openapi_extra=_OPERATOR)
async def list_event_states_of_feed(
    *,
    subscription_id: UUID,
    session: SessionDep,
    operator: OperatorDep,
    state: EventState | None = None,
    cursor: Place = 0,
    limit: Limit = 200,
) -> EventStatusPage:
    del operator  # any operator may look
    return await reading.event_statuses(
        session, None, subscription_id, state=state, after=cursor, limit=limit
    )


@operators.get("/{subscription_id}/attempts", openapi_extra=_OPERATOR)
async def list_attempts_of_feed(
    subscription_id: UUID,
    session: SessionDep,
    operator: OperatorDep,
    cursor: UUID | None = None,
    limit: Limit = 200,
) -> AttemptPage:
    del operator  # any operator may look
    return await reading.attempts(session, None, subscription_id, before=cursor, limit=limit)


@operators.post("/{subscription_id}/suspend", openapi_extra=_OPERATOR)
async def suspend_feed_subscription(
    subscription_id: UUID, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> SubscriptionOut:
    return await service.move(
        session, operator, identifier=subscription_id, step="suspend", reason=body.reason
    )


@operators.post("/{subscription_id}/release", openapi_extra=_OPERATOR)
async def release_feed_subscription(
    subscription_id: UUID, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> SubscriptionOut:
    return await service.move(
        session, operator, identifier=subscription_id, step="release", reason=body.reason
    )


@operators.post("/{subscription_id}/replays", openapi_extra=_OPERATOR)
async def replay_events_of_feed(
    subscription_id: UUID, body: ReplayIn, session: SessionDep, operator: OperatorDep
) -> ReplayOut:
    return await service.replay(session, operator, identifier=subscription_id, wanted=body)
