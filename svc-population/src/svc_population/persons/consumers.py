"""Kafka door of persons: a registered death closes the record."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import DeathRegistered

from svc_population.persons import service


async def on_death_registered(session: Session, event: Event[DeathRegistered], _runtime: Runtime) -> None:
    await service.record_death(
        session,
        personal_id=event.data.personal_id,
        died_on=event.data.died_on,
        source=f"{event.data.office}:death:{event.data.death_id}",
        actor=event,
    )


SUBSCRIPTIONS = [
    Subscription("civil-registry.death.v1", "population", {DeathRegistered: on_death_registered}),
]
