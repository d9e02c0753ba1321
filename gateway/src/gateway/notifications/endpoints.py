"""HTTP door of the notification facade: the paths of the standard below `/v1/osia/notification`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import KNOWN_CALLER, CallerDep
from ndx_chassis.db import SessionDep

from gateway.notifications import service
from gateway.notifications.answering import NotificationRoute
from gateway.notifications.errors import NotificationRefused
from gateway.notifications.schemas import Address, OsiaSubscriptionOut, Policy, Token, TopicName, TopicOut
from gateway.notifications.vocabulary import NOT_SERVED, NotificationCode, Protocol

router = APIRouter(
    prefix="/v1/osia/notification/v1", tags=["osia-notification"], route_class=NotificationRoute
)
_AGENCY = operation(door="agency_metadata")
_NOT_SERVED = operation(door="agency_metadata", changes="NOTHING")
_NOT_SERVED["x-ndx-operation"]["served"] = False


@router.get("/topics", openapi_extra=_AGENCY, dependencies=[KNOWN_CALLER])
async def osia_list_topics() -> list[TopicOut]:
    """listTopics: the event types that an agreement can let an agency follow."""
    return service.topics()


@router.post("/subscriptions", openapi_extra=_AGENCY)
async def osia_subscribe(
    *,
    topic: Annotated[TopicName, Query()],
    protocol: Protocol = Protocol.HTTP,
    address: Annotated[Address, Query()],
    policy: Annotated[Policy | None, Query()] = None,
    runtime: RuntimeDep,
    caller: CallerDep,
) -> OsiaSubscriptionOut:
    """Subscribe: the address gets a token, and nothing else before it is confirmed."""
    return await service.subscribe(
        runtime, caller, topic=topic, protocol=protocol, address=address, policy=policy
    )


@router.get("/subscriptions", openapi_extra=_AGENCY)
async def osia_list_subscription(session: SessionDep, caller: CallerDep) -> list[OsiaSubscriptionOut]:
    """listSubscription: the agency's own."""
    return await service.subscriptions(session, caller)


@router.get("/subscriptions/confirm", openapi_extra=operation(door="agency_metadata", changes="UNANNOUNCED"))
async def osia_confirm(
    token: Annotated[Token, Query()], session: SessionDep, runtime: RuntimeDep, caller: CallerDep
) -> Response:
    """Confirm: from now on messages go to the address."""
    await service.confirm(session, runtime, caller, token=token)
    return Response(status_code=200)


@router.delete("/subscriptions/{uuid}", status_code=204, openapi_extra=_AGENCY)
async def osia_unsubscribe(uuid: UUID, session: SessionDep, caller: CallerDep) -> Response:
    """Unsubscribe: nothing is sent any more, not even what waits."""
    await service.unsubscribe(session, caller, identifier=uuid)
    return Response(status_code=204)


@router.post("/topics", openapi_extra=_NOT_SERVED, dependencies=[KNOWN_CALLER])
async def osia_create_topic(name: TopicName) -> Response:
    """createTopic: not served."""
    del name
    raise NotificationRefused(NotificationCode.NOT_LAWFUL, NOT_SERVED["createTopic"])


@router.delete("/topics/{uuid}", openapi_extra=_NOT_SERVED, dependencies=[KNOWN_CALLER])
async def osia_delete_topic(uuid: str) -> Response:
    """deleteTopic: not served."""
    del uuid
    raise NotificationRefused(NotificationCode.NOT_LAWFUL, NOT_SERVED["deleteTopic"])


@router.post("/topics/{uuid}/publish", openapi_extra=_NOT_SERVED, dependencies=[KNOWN_CALLER])
async def osia_publish(uuid: str, subject: str | None = None) -> Response:
    """Publish: not served."""
    del uuid, subject
    raise NotificationRefused(NotificationCode.NOT_LAWFUL, NOT_SERVED["publish"])
