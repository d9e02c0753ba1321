"""The Kafka door: births register dependants, deaths close dependants and taxpayers."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_contracts.events import BirthRegistered, PersonDeceased

from svc_tax_link.dependants import service


async def on_births_registered(
    session: Session, events: list[Event[BirthRegistered]], runtime: Runtime
) -> None:
    await service.register_for_births(session, events, gateway=runtime.gateway)


async def on_person_deceased(session: Session, event: Event[PersonDeceased], runtime: Runtime) -> None:
    del runtime
    await service.close_for_death(
        session, event, personal_id=event.data.personal_id, died_on=event.data.died_on
    )
