"""Use cases of the notification facade: topics, subscribe, confirm, list, unsubscribe; all of them feeds."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, NoAgreement
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_contracts.agreements import Agreement
from ndx_contracts.feeds import BY_TYPE, FED, FedEvent, People
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agreements import reading as agreements
from gateway.feeds import pinging
from gateway.feeds import reading as feed_reading
from gateway.feeds import service as feeds
from gateway.feeds.errors import FeedSubscriptionNotFound
from gateway.feeds.messages import topic_id
from gateway.feeds.schemas import Retry, SubscriptionIn, SubscriptionOut
from gateway.feeds.vocabulary import NOT_CONFIRMED, Form
from gateway.notifications.errors import NotificationRefused
from gateway.notifications.schemas import OsiaSubscriptionOut, TopicOut
from gateway.notifications.vocabulary import NotificationCode, Protocol

_PAGE = 1000
_ENDED, _ACTIVE = "ENDED", "ACTIVE"


def topics() -> list[TopicOut]:
    """Return the event types that may be followed."""
    return [TopicOut(uuid=topic_id(fed.type), name=fed.type) for fed in FED]


async def subscribe(
    runtime: Runtime,
    caller: Caller,
    *,
    topic: str,
    protocol: Protocol,
    address: str,
    policy: str | None,
) -> OsiaSubscriptionOut:
    """Follow a topic under the agreement that grants it, and ask the address to confirm.

    The same topic and address has the same subscription; as long as it is not confirmed, it is asked again.

    Raises:
        NotificationRefused: topic, protocol, policy or address is none of ours, or the purpose is not clear.
        NoAgreement, FeedEndpointRefused, FeedLimitReached, and what holds the agreement's calls back.
    """
    fed = _topic(topic)
    if protocol is Protocol.EMAIL:
        raise NotificationRefused(
            NotificationCode.PROTOCOL_NOT_OFFERED, "Events tell of people: they do not go by e-mail"
        )
    retry = _retry(policy)
    async with runtime.sessions() as session, session.begin():
        made = await feeds.webhook_of(
            session, agency=caller.agency, event_type=fed.type, endpoint=address, form=Form.OSIA
        )
        if made is None:
            wanted = await _wanted(session, caller, fed, address, retry)
            made = await feeds.subscribe(
                session, runtime, caller, wanted=wanted, form=Form.OSIA, confirmed=False
            )
    # Committed before it is sent: the address may confirm at once.
    if made.state_reason == NOT_CONFIRMED:
        await pinging.ask_to_confirm(runtime, made.id)
    return _shown(made)


async def _wanted(
    session: AsyncSession, caller: Caller, fed: FedEvent, address: str, retry: Retry
) -> SubscriptionIn:
    agreement, people = await _agreed(session, caller, fed)
    endpoint = {"url": address, "retry": retry}
    try:
        return SubscriptionIn.model_validate(
            {
                "agreement": agreement.agreement_id,
                "purpose": _purpose(caller, agreement),
                "event_types": (fed.type,),
                "people": people,
                "delivery": "PUSH",
                "endpoint": endpoint,
            }
        )
    except ValidationError:
        raise NotificationRefused(
            NotificationCode.ADDRESS_REFUSED, "An address is an https URL without credentials or fragment"
        ) from None


async def _agreed(session: AsyncSession, caller: Caller, fed: FedEvent) -> tuple[Agreement, People]:
    """Return the agreement that grants a topic: of everybody rather than of people of interest.

    Raises:
        NoAgreement: none does, for the purpose that the call names.
    """
    known = await agencies.agency_named(session, caller.agency)
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    mine = [
        one
        for one in await agreements.consumed_by(session, caller.agency)
        if one.binds(known.code, known.agency_class, caller.system)
        and one.in_force(today)
        and (not caller.purpose or caller.purpose in one.purposes)
    ]
    for people in (People.EVERYBODY, People.OF_INTEREST):
        for one in sorted(mine, key=lambda agreement: agreement.agreement_id):
            if one.grant(fed.operation(people)) is not None:
                return one, people
    raise NoAgreement


def _purpose(caller: Caller, agreement: Agreement) -> str:
    if caller.purpose:
        return caller.purpose
    if len(agreement.purposes) > 1:
        raise NotificationRefused(
            NotificationCode.PURPOSE_NEEDED, "The agreement has several purposes: name one in NDX-Purpose"
        )
    return agreement.purposes[0].value


def _topic(named: str) -> FedEvent:
    """Return the event type that a topic names, by its name or its id."""
    if named in BY_TYPE:
        return BY_TYPE[named]
    for fed in FED:
        if str(topic_id(fed.type)) == named:
            return fed
    raise NotificationRefused(NotificationCode.TOPIC_UNKNOWN, "There is no such topic: see listTopics")


def _retry(policy: str | None) -> Retry:
    if policy is None:
        return Retry()
    countdown, most = (int(part) for part in policy.split(","))
    try:
        return Retry(first_delay_seconds=countdown, max_attempts=most + 1)
    except ValidationError:
        raise NotificationRefused(
            NotificationCode.POLICY_REFUSED,
            "policy: 1 to 3600 seconds before the first retry, 0 to 49 retries with growing pauses",
        ) from None


def _shown(one: SubscriptionOut) -> OsiaSubscriptionOut:
    return OsiaSubscriptionOut(
        uuid=one.id,
        topic=topic_id(one.event_types[0]),
        protocol=Protocol.HTTP.value,
        address=one.endpoint or "",
        policy=f"{one.retry.first_delay_seconds},{one.retry.max_attempts - 1}",
        active=one.state.value == _ACTIVE,
    )


async def confirm(session: AsyncSession, runtime: Runtime, caller: Caller, *, token: str) -> None:
    """Take the token that the address got.

    Raises:
        FeedTokenInvalid, FeedStepRefused: as in feeds.
    """
    await feeds.confirm(session, runtime, caller, token=token)


async def subscriptions(session: AsyncSession, caller: Caller) -> list[OsiaSubscriptionOut]:
    """Return the agency's webhooks of this form that have not ended."""
    found: list[OsiaSubscriptionOut] = []
    cursor: Any = None
    while True:
        page = await feed_reading.page_of_subscriptions(
            session, agency=caller.agency, state=None, after=cursor, limit=_PAGE
        )
        found += [_shown(o) for o in page.items if o.form is Form.OSIA and o.state.value != _ENDED]
        if page.next_cursor is None:
            return found
        cursor = UUID(page.next_cursor)


async def unsubscribe(session: AsyncSession, caller: Caller, *, identifier: UUID) -> None:
    """End a subscription.

    Raises:
        FeedSubscriptionNotFound: the agency has none of this id and form, or it has ended.
    """
    found = await feed_reading.show(session, caller.agency, identifier)
    if found.form is not Form.OSIA or found.state.value == _ENDED:
        raise FeedSubscriptionNotFound
    await feeds.take_step(session, caller, identifier=identifier, step="end")
