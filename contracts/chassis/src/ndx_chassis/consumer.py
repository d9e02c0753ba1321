"""The Kafka door: every event has its effect once, whatever Kafka or a crash repeats."""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.events import envelope as ce
from ndx_contracts.events.envelope import EventData
from opentelemetry.trace import SpanKind
from pydantic import BaseModel
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.errors import DomainError
from ndx_chassis.inbox import EventUnreadable, Parcel, error_of, finish, park
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.tables import inbox
from ndx_chassis.telemetry import extract, inbound, log, span

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime

DataT_co = TypeVar("DataT_co", bound=BaseModel, covariant=True)
Handler = Callable[[AsyncSession, "Event[Any]", "Runtime"], Awaitable[None]]
TogetherHandler = Callable[[AsyncSession, "list[Event[Any]]", "Runtime"], Awaitable[None]]

# Built once: building a statement costs more than running it.
_TAKE = (
    insert(inbox)
    .values(consumer=bindparam("reader"), event_id=bindparam("event"), state="DONE", attempts=1)
    .on_conflict_do_nothing()
    .returning(inbox.c.event_id)
)
_TAKE_TOGETHER = text(
    "INSERT INTO inbox (consumer, event_id, state, attempts)"
    " SELECT :reader, event_id, 'DONE', 1 FROM unnest(:events) AS event_id"
    " ON CONFLICT DO NOTHING RETURNING event_id"
).bindparams(bindparam("events", type_=ARRAY(PG_UUID(as_uuid=True))))


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT_co]):
    """An event as a handler sees it; also the actor of the audit entries that it causes."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime | None
    data: DataT_co
    traceparent: str | None = None
    text: str = ""  # the data as the message has it, for whoever keeps it unchanged

    def trace(self) -> contextlib.AbstractContextManager[None]:
        """Let what is written inside carry the trace of this event, among others handled together."""
        return inbound(self.traceparent)

    @property
    def actor(self) -> str:
        return f"event/{self.type}"

    @property
    def officer(self) -> None:
        return None

    @property
    def case_id(self) -> None:
        return None

    @property
    def request_id(self) -> str:
        return str(self.id)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic, the consumer group's name, and what to do for each event type.

    `together` is for many events of alike effects: all of a fetch in one transaction, or one by one if that
    fails. An event whose trace is recorded comes by itself, so that the trace shows only what it caused.
    """

    topic: str
    group: str
    handlers: Mapping[type[BaseModel], Handler] = field(default_factory=dict)
    together: Mapping[type[BaseModel], TogetherHandler] = field(default_factory=dict)
    in_order: bool = False
    """Keep the order of events handled together by one handler, whatever their types and traces."""
    repeatable: bool = False
    """What is handled again changes nothing, so the inbox keeps only what failed: a row less per event."""

    @property
    def consumer(self) -> str:
        """Return the name under which the inbox knows this reader."""
        return f"{self.group}:{self.topic}"

    def handler_for(self, event_type: str) -> tuple[type[BaseModel], Handler] | None:
        """Return the event's model and what to do for one of it; None when it is not for us."""
        model = _model_for(event_type, self.handlers)
        if model is not None:
            return model, self.handlers[model]
        model = _model_for(event_type, self.together)
        if model is None:
            return None
        act = self.together[model]
        return model, lambda session, event, runtime: act(session, [event], runtime)


def _model_for(event_type: str, handlers: Mapping[type[BaseModel], Any]) -> type[BaseModel] | None:
    for model in handlers:
        if issubclass(model, EventData) and event_type == model.TYPE:
            return model
        if issubclass(model, DisclosureRecord) and event_type.endswith(".disclosure.v1"):
            return model
    return None


async def handle(
    runtime: "Runtime", subscription: Subscription, parcel: Parcel, *, retrying: bool = False
) -> bool:
    """Handle one event in one transaction; False when it was done before or is not for us.

    `retrying` takes an event that waits in the inbox instead of a new one.

    Raises:
        EventUnreadable: the message is no event of its type.
        Whatever the handler raises: the transaction is rolled back then.
    """
    found = subscription.handler_for(parcel.headers.get(ce.CE_TYPE, ""))
    if found is None:
        return False
    model, handler = found
    event = _event(model, parcel)
    header = parcel.headers.get(ce.TRACEPARENT)
    with inbound(header), _consumer_span(subscription, event, header):
        async with runtime.sessions() as session, session.begin():
            if retrying or not subscription.repeatable:
                taken = await session.execute(
                    finish(subscription.consumer, event.id) if retrying else _TAKE,
                    {} if retrying else {"reader": subscription.consumer, "event": event.id},
                )
                if taken.first() is None:
                    return False
            await handler(session, event, runtime)
    runtime.nudge()
    return True


def _event(model: type[BaseModel], parcel: Parcel) -> Event[Any]:
    time = parcel.headers.get(ce.CE_TIME)
    try:
        return Event(
            id=UUID(parcel.headers[ce.CE_ID]),
            type=parcel.headers[ce.CE_TYPE],
            source=parcel.headers.get(ce.CE_SOURCE, ""),
            subject=parcel.headers.get(ce.CE_SUBJECT, parcel.key),
            time=datetime.fromisoformat(time) if time else None,
            # Whatever a newer producer adds, down to the parts of a part, is passed over.
            data=model.model_validate_json(parcel.value, extra="ignore"),
            traceparent=parcel.headers.get(ce.TRACEPARENT),
            text=parcel.value,
        )
    except (ValueError, KeyError) as error:  # pydantic's ValidationError is a ValueError
        raise EventUnreadable(type(error).__name__) from None


def _is_recorded(header: str | None) -> bool:
    return header is not None and header.endswith("1")


def _consumer_span(
    subscription: Subscription, event: Event[Any], header: str | None
) -> contextlib.AbstractContextManager[object]:
    if not _is_recorded(header):
        return contextlib.nullcontext()
    return span(
        f"process {subscription.topic}",
        kind=SpanKind.CONSUMER,
        parent=extract({"traceparent": header or ""}),
        messaging__system="kafka",
        messaging__destination__name=subscription.topic,
        messaging__consumer__group__name=subscription.group,
        messaging__operation__type="process",
        ndx__event__type=event.type,
        ndx__event__id=str(event.id),
    )


async def handle_or_park(runtime: "Runtime", subscription: Subscription, parcel: Parcel) -> None:
    """Handle one event; what fails is parked for another attempt or becomes a dead letter.

    Raises what says that the own database is away: the message stays in Kafka then.
    """
    try:
        await handle(runtime, subscription, parcel)
    except Exception as error:
        if not isinstance(error, (DomainError, EventUnreadable)):
            if is_connection_trouble(error):
                raise
            log.error(
                "event_handler_crashed",
                topic=subscription.topic,
                error=type(error).__name__,
                where=where(error),
            )
        # Any refusal may heal (an agreement approved later); the inbox gives up after its last attempt.
        await park(runtime, subscription.consumer, parcel, error=error_of(error))


async def handle_together(runtime: "Runtime", subscription: Subscription, parcels: Sequence[Parcel]) -> None:
    """Handle a fetch in one transaction per handler; what does not fit, or all if one is bad, one by one."""
    groups: dict[TogetherHandler, list[Event[Any]]] = {}
    alone: list[Parcel] = []
    try:
        for parcel in parcels:
            model = _model_for(parcel.headers.get(ce.CE_TYPE, ""), subscription.together)
            traced = _is_recorded(parcel.headers.get(ce.TRACEPARENT)) and not subscription.in_order
            if model is None or traced:
                alone.append(parcel)
            else:
                groups.setdefault(subscription.together[model], []).append(_event(model, parcel))
        for act, events in groups.items():
            await _take_together(runtime, subscription, act, events)
    except Exception as error:
        if is_connection_trouble(error):
            raise
        log.warning("events_handled_one_by_one", topic=subscription.topic, error=type(error).__name__)
        alone = list(parcels)
    for parcel in alone:
        await handle_or_park(runtime, subscription, parcel)


async def _take_together(
    runtime: "Runtime", subscription: Subscription, act: TogetherHandler, events: list[Event[Any]]
) -> None:
    by_id = {event.id: event for event in events}
    async with runtime.sessions() as session, session.begin():
        new: Collection[UUID] = by_id.keys()
        if not subscription.repeatable:
            asked = {"reader": subscription.consumer, "events": list(by_id)}
            new = {row.event_id for row in await session.execute(_TAKE_TOGETHER, asked)}
        if new:
            await act(session, [event for event in by_id.values() if event.id in new], runtime)
    runtime.nudge()
