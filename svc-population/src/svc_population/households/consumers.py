"""Kafka door of households: who died is no member any more, and who lives after all may be one again."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import PersonDeathCancelled, PersonDeceased

from svc_population.households import returning, service
from svc_population.households.book import Step


async def on_person_deceased(session: Session, event: Event[PersonDeceased], _runtime: Runtime) -> None:
    data = event.data
    step = Step(on=data.died_on, source=f"event:{event.id}", actor=event, after_death=True)
    await service.leave_by_death(session, personal_id=data.personal_id, step=step)


async def on_person_death_cancelled(
    session: Session, event: Event[PersonDeathCancelled], _runtime: Runtime
) -> None:
    data = event.data
    step = Step(on=data.died_on, source=f"event:{event.id}", actor=event)
    await returning.rejoin_after_death(session, personal_id=data.personal_id, step=step)
