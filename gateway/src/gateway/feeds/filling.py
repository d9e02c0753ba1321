"""Use case: an event has happened; queue for each subscription what it may have of it, and nothing else."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_contracts.agreements import AdminScope, Agreement
from ndx_contracts.events import EventData, PersonalIdCancelled
from ndx_contracts.feeds import BY_TYPE, FedEvent, People
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements import reading as agreements
from gateway.feeds import repository
from gateway.feeds.desk import Desk, desk_of
from gateway.feeds.models import EventState, FeedInterest, FeedSubscription
from gateway.feeds.redaction import excerpt, lies_within, recognisable

_Interests = dict[tuple[UUID, bytes], FeedInterest]


async def take_in(session: AsyncSession, runtime: Runtime, events: Sequence[Event[EventData]]) -> None:
    """Queue events, in their order, for whoever follows them."""
    desk = desk_of(runtime)
    following = await repository.following(session, {event.type for event in events})
    renumbered = [event.data for event in events if isinstance(event.data, PersonalIdCancelled)]
    if not following and not renumbered:
        return
    box = desk.box
    plain = [(event, BY_TYPE[event.type], event.data.model_dump(mode="json")) for event in events]
    keys = {box.person(data[name]) for _, fed, data in plain for name in fed.people if data.get(name)}
    interests = {(i.subscription_id, i.person_key): i for i in await repository.interests(session, keys)}
    standing = await agreements.standing(session, sorted({s.agreement_id for s in following}))
    rows: dict[UUID, list[dict[str, Any]]] = {}
    for subscription in following:
        agreement = standing.get(subscription.agreement_id)
        if agreement is None:
            continue
        for event, fed, data in plain:
            row = _row(desk, subscription, agreement, interests, event, fed, data)
            if row is not None:
                rows.setdefault(subscription.id, []).append(row)
    if rows:
        first = await repository.next_positions(session, {i: len(mine) for i, mine in rows.items()})
        numbered = [
            {**row, "position": position}
            for identifier, mine in rows.items()
            for position, row in enumerate(mine, first[identifier])
        ]
        await repository.queue(session, numbered)
    await _follow_to_new_numbers(session, desk, renumbered, interests)
    desk.touched(rows)


def _row(  # noqa: PLR0917 - all of them decide on one row
    desk: Desk,
    subscription: FeedSubscription,
    agreement: Agreement,
    interests: _Interests,
    event: Event[EventData],
    fed: FedEvent,
    data: dict[str, Any],
) -> dict[str, Any] | None:
    people = People(subscription.people)
    grant = agreement.grant(fed.operation(people))
    if grant is None or event.type not in subscription.event_types:
        return None
    given = excerpt(fed, data, grant.field_groups)
    scope = AdminScope(provinces=tuple(subscription.provinces), communes=tuple(subscription.communes))
    if given is None or not lies_within(fed, data, agreement.admin_scope, scope):
        return None
    known = recognisable(fed, data, grant.field_groups)
    addressed = fed.addressee is not None
    if not known and not (addressed and data[fed.addressee or ""] == subscription.agency):
        return None
    # Events that are about nobody keep the order of what they are about.
    box, main = desk.box, known[0] if known else event.data.key
    chosen = next((p for p in known if (subscription.id, box.person(p)) in interests), None)
    if people is People.OF_INTEREST and chosen is None and not addressed:
        return None
    content = {
        "source": event.source,
        "time": (event.time or datetime.now(UTC)).isoformat(),
        "data": given.data,
        "place": [data.get(name) for name in fed.place or ()],
        "about": [] if addressed else sorted({main, chosen or main}),
        "reference": None if chosen is None else _reference(desk, interests, subscription.id, chosen),
    }
    return {
        "subscription_id": subscription.id,
        "event_id": event.id,
        "event_type": event.type,
        "person_key": box.person(main),
        "interest_key": None if people is People.EVERYBODY or chosen is None else box.person(chosen),
        "sealed": box.seal(orjson.dumps(content), subscription.id, event.id.bytes),
        "state": EventState.PENDING.value,
        "queued_at": datetime.now(UTC),
    }


def _reference(desk: Desk, interests: _Interests, subscription: UUID, person: str) -> str | None:
    key = desk.box.person(person)
    sealed = interests[subscription, key].sealed_reference
    return None if sealed is None else desk.box.open(sealed, subscription, key).decode()


async def _follow_to_new_numbers(
    session: AsyncSession, desk: Desk, renumbered: Sequence[PersonalIdCancelled], interests: _Interests
) -> None:
    """Let interest in a person go on under their new number; the old one stays, for late events."""
    rows = []
    for event in renumbered:
        if event.superseded_by is None:
            continue
        old, new = desk.box.person(event.old_personal_id), desk.box.person(event.superseded_by)
        for (subscription, key), interest in interests.items():
            if key == old and (subscription, new) not in interests:
                reference = interest.sealed_reference
                if reference is not None:
                    opened = desk.box.open(reference, subscription, old)
                    reference = desk.box.seal(opened, subscription, new)
                rows.append(
                    {"subscription_id": subscription, "person_key": new, "sealed_reference": reference}
                )
    if rows:
        await repository.add_interests(session, rows)
