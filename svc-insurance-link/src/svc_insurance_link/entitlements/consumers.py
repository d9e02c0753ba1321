"""The Kafka door: births open entitlements, deaths end them, changes refresh the copy."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import BirthRegistered, PersonChanged, PersonDeceased

from svc_insurance_link.entitlements import service


async def on_births_registered(
    session: Session, events: list[Event[BirthRegistered]], runtime: Runtime
) -> None:
    await service.open_for_births(session, events, gateway=runtime.gateway)


async def on_person_deceased(session: Session, event: Event[PersonDeceased], runtime: Runtime) -> None:
    del runtime
    await service.end_for_death(
        session, event, personal_id=event.data.personal_id, died_on=event.data.died_on
    )


async def on_person_changed(session: Session, event: Event[PersonChanged], runtime: Runtime) -> None:
    await service.follow_change(
        session,
        event,
        gateway=runtime.gateway,
        personal_id=event.data.personal_id,
        changed=event.data.changed,
    )
