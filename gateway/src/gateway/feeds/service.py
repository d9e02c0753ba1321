"""Use cases: subscribe under an agreement, say in whom one is interested, pause, resume, end, replay."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from ndx_chassis.agreements import NoAgreement, PurposeNotCovered
from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller, Operator
from ndx_chassis.ids import new_id
from ndx_contracts.agreements import AdminScope, Agreement
from ndx_contracts.feeds import BY_TYPE
from sqlalchemy.ext.asyncio import AsyncSession
from yarl import URL

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.agreements import reading as agreements
from gateway.feeds import repository
from gateway.feeds.addresses import may_be_called
from gateway.feeds.desk import Desk, desk_of, settings_of
from gateway.feeds.errors import (
    FeedEndpointRefused,
    FeedEventTypeUnknown,
    FeedLimitReached,
    FeedNotCovered,
    FeedStepRefused,
    FeedTokenInvalid,
)
from gateway.feeds.handing_over import ENTITY, give_again, mine
from gateway.feeds.models import (
    STEPS,
    FeedSubscription,
    SubscriptionState,
)
from gateway.feeds.reading import found, shown
from gateway.feeds.rights import Receiver, rights_of
from gateway.feeds.schemas import (
    EndpointIn,
    InterestsOut,
    PersonOfInterest,
    ReplayIn,
    ReplayOut,
    Retry,
    SubscriptionIn,
    SubscriptionOut,
)
from gateway.feeds.sealing import subscription_of
from gateway.feeds.vocabulary import NOT_CONFIRMED, Form


async def subscribe(
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    *,
    wanted: SubscriptionIn,
    form: Form = Form.CLOUD_EVENT,
    confirmed: bool = True,
) -> SubscriptionOut:
    """Begin to follow event types under one agreement; one that is not confirmed gets nothing yet.

    Raises:
        FeedEventTypeUnknown, FeedNotCovered, PurposeNotCovered, FeedLimitReached, and what holds the
        agreement's calls back at this moment.
    """
    unknown = sorted(set(wanted.event_types) - BY_TYPE.keys())
    if unknown:
        raise FeedEventTypeUnknown(f"Not among those of /v1/feeds/event-types: {', '.join(unknown)}.")
    agreement = (await agreements.standing(session, [wanted.agreement])).get(wanted.agreement)
    agency = await agencies.agency_named(session, caller.agency)
    if agreement is None or not agreement.binds(agency.code, agency.agency_class, caller.system):
        raise NoAgreement
    _check(agreement, wanted)
    if await repository.count_of(session, caller.agency) >= settings_of(runtime).feeds_most_subscriptions:
        raise FeedLimitReached("End a subscription that is not needed any more.")
    now = datetime.now(UTC)
    endpoint = wanted.endpoint
    if endpoint is not None:
        _check_endpoint(desk_of(runtime), endpoint)
    retry = Retry() if endpoint is None else endpoint.retry
    made = FeedSubscription(
        id=new_id(),
        agency=caller.agency,
        system=caller.system,
        agreement_id=wanted.agreement,
        purpose=wanted.purpose.value,
        officer=wanted.officer or caller.officer,
        case_id=wanted.case_id or caller.case_id,
        event_types=sorted(set(wanted.event_types)),
        people=wanted.people.value,
        provinces=list(wanted.scope.provinces),
        communes=list(wanted.scope.communes),
        delivery=wanted.delivery.value,
        endpoint=None if endpoint is None else endpoint.url,
        form=form.value,
        endpoint_ca=None if endpoint is None else endpoint.ca_pem,
        max_attempts=retry.max_attempts,
        first_delay_seconds=retry.first_delay_seconds,
        max_events=1 if endpoint is None else endpoint.max_events,
        state=(SubscriptionState.ACTIVE if confirmed else SubscriptionState.PAUSED).value,
        state_reason=None if confirmed else NOT_CONFIRMED,
        last_position=0,
        acknowledged=0,
        failures=0,
        created_at=now,
        updated_at=now,
    )
    (await rights_of(session, made)).require()
    session.add(made)
    await session.flush()
    await record_audit(
        session,
        caller,
        action="feed_subscribed",
        entity_type=ENTITY,
        entity_id=made.id,
        details={"agreement": made.agreement_id, "types": made.event_types, "people": made.people},
    )
    return (await shown(session, [made]))[0]


async def webhook_of(
    session: AsyncSession, *, agency: str, event_type: str, endpoint: str, form: Form
) -> SubscriptionOut | None:
    """Return the agency's open webhook for one event type, so that it gets no second one."""
    found = await repository.webhook_of(
        session, agency=agency, event_type=event_type, endpoint=endpoint, form=form.value
    )
    return None if found is None else (await shown(session, [found]))[0]


async def confirm(session: AsyncSession, runtime: Runtime, caller: Caller, *, token: str) -> None:
    """Let events go to an address that has proven to read there; a second time changes nothing.

    Raises:
        FeedTokenInvalid: it is no token of a subscription of the agency.
        FeedStepRefused: the subscription is suspended or has ended.
    """
    identifier = subscription_of(token)
    if identifier is None:
        raise FeedTokenInvalid
    found = await repository.find(session, identifier, lock=True)
    if found is None or found.agency != caller.agency or found.endpoint is None:
        raise FeedTokenInvalid
    if not hmac.compare_digest(token, desk_of(runtime).box.token(identifier, found.endpoint)):
        raise FeedTokenInvalid
    paused = found.state == SubscriptionState.PAUSED.value and found.state_reason != NOT_CONFIRMED
    if found.state != SubscriptionState.ACTIVE.value and not paused:
        await _step(session, caller, found, "resume")


def _check(agreement: Agreement, wanted: SubscriptionIn) -> None:
    needed = {BY_TYPE[name].operation(wanted.people) for name in wanted.event_types}
    missing = sorted(needed - {grant.operation for grant in agreement.operations})
    if missing:
        raise FeedNotCovered(f"{agreement.agreement_id} does not grant {', '.join(missing)}.")
    if wanted.purpose not in agreement.purposes:
        raise PurposeNotCovered
    if wanted.scope != AdminScope():
        blind = sorted(
            name
            for name in wanted.event_types
            if BY_TYPE[name].place is None and BY_TYPE[name].addressee is None
        )
        if blind:
            raise FeedNotCovered(f"These carry no place to be narrowed by: {', '.join(blind)}.")


def _check_endpoint(desk: Desk, endpoint: EndpointIn) -> None:
    """Refuse at once what could never be called; where a name leads is decided at each call."""
    try:
        host = URL(endpoint.url).host or ""
    except ValueError:
        raise FeedEndpointRefused("The host or port of this address is none.") from None
    literal = ":" in host or host.replace(".", "").isdigit()
    listed = () if desk.identity is None else desk.identity.listed
    if literal and not may_be_called(host, listed):
        raise FeedEndpointRefused("This address lies in a network that webhooks may not lie in.")
    if endpoint.ca_pem is not None:
        try:
            x509.load_pem_x509_certificates(endpoint.ca_pem.encode())
        except ValueError:
            raise FeedEndpointRefused("ca_pem holds no certificate.") from None


async def take_step(session: AsyncSession, caller: Caller, *, identifier: UUID, step: str) -> SubscriptionOut:
    """Pause, resume or end an own subscription."""
    subscription = await mine(session, caller.agency, identifier, lock=True)
    if step == "resume" and subscription.state_reason == NOT_CONFIRMED:
        raise FeedStepRefused("Its address has not confirmed it.")
    await _step(session, caller, subscription, step)
    return (await shown(session, [subscription]))[0]


async def move(
    session: AsyncSession, operator: Operator, *, identifier: UUID, step: str, reason: str
) -> SubscriptionOut:
    """Suspend, release or end any subscription, as an operator."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    subscription = await found(session, None, identifier, lock=True)
    await _step(session, operator, subscription, step, reason)
    return (await shown(session, [subscription]))[0]


async def end_all_of(session: AsyncSession, operator: Operator, *, agency: str) -> list[str]:
    """End all subscriptions of an agency that ceases, and return their ids."""
    ended = []
    for identifier in await repository.open_ids_of(session, agency):
        subscription = await found(session, None, identifier, lock=True)
        if subscription.state != SubscriptionState.ENDED.value:
            await _step(session, operator, subscription, "end", "agency-closed")
            ended.append(str(identifier))
    return ended


async def _step(
    session: AsyncSession, actor: Actor, subscription: FeedSubscription, step: str, reason: str | None = None
) -> None:
    allowed, to = STEPS[step]
    if SubscriptionState(subscription.state) not in allowed:
        raise FeedStepRefused(f"The subscription is {subscription.state}.")
    if (subscription.state_reason or "").startswith(NOT_CONFIRMED) and step in {"suspend", "release"}:
        # No operator's step stands for the confirmation.
        reason = NOT_CONFIRMED if step == "release" else f"{NOT_CONFIRMED}: {reason}"
    subscription.state, subscription.state_reason = to.value, reason
    subscription.updated_at = datetime.now(UTC)
    if to is SubscriptionState.ENDED:
        await repository.clear(session, subscription.id)
    await session.flush()
    await record_audit(
        session,
        actor,
        action=f"feed_{step}",
        entity_type=ENTITY,
        entity_id=subscription.id,
        details={"state": to.value, **({} if reason is None else {"reason": reason})},
    )


async def add_interests(
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    *,
    identifier: UUID,
    people: Sequence[PersonOfInterest],
) -> InterestsOut:
    """Register interest in people; whether they exist is not said.

    Raises:
        FeedStepRefused: the subscription has ended, or follows everybody.
        FeedLimitReached: it would be too many.
    """
    subscription = await mine(session, caller.agency, identifier, lock=True)
    if subscription.state == SubscriptionState.ENDED.value:
        raise FeedStepRefused("The subscription has ended.")
    (await rights_of(session, subscription, Receiver(caller.system, caller.request_id, None, None))).require()
    box = desk_of(runtime).box
    rows = {}
    for person in people:
        key = box.person(person.personal_id)
        reference = person.reference
        sealed = None if reference is None else box.seal(reference.encode(), identifier, key)
        rows[key] = {"subscription_id": identifier, "person_key": key, "sealed_reference": sealed}
    if (
        await repository.count_interests(session, identifier) + len(rows)
        > settings_of(runtime).feeds_most_people
    ):
        raise FeedLimitReached("Remove people who are not of interest any more.")
    await repository.add_interests(session, list(rows.values()))
    await record_audit(
        session,
        caller,
        action="feed_interest_added",
        entity_type=ENTITY,
        entity_id=identifier,
        details={"people": len(rows)},
    )
    return InterestsOut(people_of_interest=await repository.count_interests(session, identifier))


async def remove_interests(
    session: AsyncSession, runtime: Runtime, caller: Caller, *, identifier: UUID, personal_ids: Sequence[str]
) -> InterestsOut:
    """End interest in people: nothing about them is handed over any more, not even what waits."""
    await mine(session, caller.agency, identifier, lock=True)
    keys = {desk_of(runtime).box.person(number) for number in personal_ids}
    removed = await repository.remove_interests(session, identifier, keys)
    await record_audit(
        session,
        caller,
        action="feed_interest_removed",
        entity_type=ENTITY,
        entity_id=identifier,
        details={"people": removed},
    )
    left = await repository.count_interests(session, identifier)
    return InterestsOut(people_of_interest=left, removed=removed)


async def replay(
    session: AsyncSession, actor: Caller | Operator, *, identifier: UUID, wanted: ReplayIn
) -> ReplayOut:
    """Give events again from a time on, for their agency or as an operator."""
    if isinstance(actor, Operator):
        await agencies.require_role(session, actor, Role.OPERATOR)
    agency = actor.agency if isinstance(actor, Caller) else None
    subscription = await found(session, agency, identifier, lock=True)
    given = await give_again(session, subscription, since=wanted.since, dead_only=wanted.dead_only)
    await record_audit(
        session,
        actor,
        action="feed_replayed",
        entity_type=ENTITY,
        entity_id=identifier,
        details={"since": wanted.since.isoformat(), "events": given.replayed},
    )
    return given
