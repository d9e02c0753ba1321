"""Kafka door of residences: a death closes everything that runs."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import PersonDeceased

from svc_population.residences.ends import close_by_death


async def on_person_deceased(session: Session, event: Event[PersonDeceased], _runtime: Runtime) -> None:
    await close_by_death(session, event, person_id=event.data.person_id, died_on=event.data.died_on)
