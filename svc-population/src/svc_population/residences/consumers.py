"""Kafka door of residences: a death closes everything that runs, and taken back it opens it again."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import PersonDeathCancelled, PersonDeceased

from svc_population.residences.ends import close_by_death, resume_after_death


async def on_person_deceased(session: Session, event: Event[PersonDeceased], _runtime: Runtime) -> None:
    await close_by_death(session, event, person_id=event.data.person_id, died_on=event.data.died_on)


async def on_person_death_cancelled(
    session: Session, event: Event[PersonDeathCancelled], _runtime: Runtime
) -> None:
    await resume_after_death(session, event, personal_id=event.data.personal_id)
