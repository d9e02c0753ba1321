"""Kafka door of persons: a registered death closes the record, a cancelled one opens it again."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import DeathCancelled, DeathRegistered

from svc_population.persons import deaths
from svc_population.persons.registered_deaths import Registered


def _registered(data: DeathRegistered | DeathCancelled) -> Registered:
    return Registered(
        death_id=data.death_id,
        personal_id=data.personal_id,
        died_on=data.died_on,
        source=f"{data.office}:death:{data.death_id}",
    )


async def on_death_registered(session: Session, event: Event[DeathRegistered], _runtime: Runtime) -> None:
    await deaths.record_death(session, _registered(event.data), actor=event)


async def on_death_cancelled(session: Session, event: Event[DeathCancelled], _runtime: Runtime) -> None:
    data = event.data
    grounds = deaths.Grounds(
        source=f"{data.office}:death-cancelled:{data.death_id}",
        actor=event,
        agency=data.office,
        document={"kind": data.cause, "number": str(data.death_id)},
        found_alive=data.found_alive,
    )
    await deaths.cancel_death(session, _registered(data), grounds=grounds)


SUBSCRIPTIONS = [
    Subscription(
        "civil-registry.death.v1",
        "population",
        {DeathRegistered: on_death_registered, DeathCancelled: on_death_cancelled},
    ),
]
