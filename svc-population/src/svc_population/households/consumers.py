"""Kafka door of households: who died is no member any more, and another head is looked for."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import PersonDeceased

from svc_population.households import service
from svc_population.households.book import Step


async def on_person_deceased(session: Session, event: Event[PersonDeceased], _runtime: Runtime) -> None:
    data = event.data
    step = Step(on=data.died_on, source=f"event:{event.id}", actor=event, after_death=True)
    await service.leave_by_death(session, personal_id=data.personal_id, step=step)
