"""Kafka door of families: a death ends a marriage and guardianships; taken back, the marriage goes on."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import PersonDeathCancelled, PersonDeceased

from svc_population.families import ending, returning
from svc_population.families.noting import Grounds


async def on_person_deceased(session: Session, event: Event[PersonDeceased], _runtime: Runtime) -> None:
    grounds = Grounds(on=event.data.died_on, source=f"event:{event.id}", actor=event)
    await ending.end_by_death(session, personal_id=event.data.personal_id, grounds=grounds)


async def on_person_death_cancelled(
    session: Session, event: Event[PersonDeathCancelled], _runtime: Runtime
) -> None:
    grounds = Grounds(on=event.data.died_on, source=f"event:{event.id}", actor=event)
    await returning.restore_marriage(session, personal_id=event.data.personal_id, grounds=grounds)
