"""Kafka door: the events of the domain services that agencies may follow."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import EventData
from ndx_contracts.feeds import FED

from gateway.feeds import filling


async def on_events(session: Session, events: list[Event[EventData]], runtime: Runtime) -> None:
    """Queue them for whoever follows them."""
    await filling.take_in(session, runtime, events)


def subscriptions() -> list[Subscription]:
    """Return one subscription per topic, all types in one handler: a person's events keep their order."""
    topics = sorted({fed.event.TOPIC for fed in FED})
    return [
        Subscription(
            topic=topic,
            group="feeds",
            in_order=True,
            together={fed.event: on_events for fed in FED if topic == fed.event.TOPIC},
        )
        for topic in topics
    ]
