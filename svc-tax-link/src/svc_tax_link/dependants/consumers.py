"""The Kafka door: births register dependants, deaths close people, and taken back open them."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_chassis.former_numbers import Merger
from ndx_chassis.told import Told
from ndx_contracts.events import (
    BirthRegistered,
    PersonalIdCancelled,
    PersonDeathCancelled,
    PersonDeceased,
    PersonsMerged,
    PersonsSeparated,
)

from svc_tax_link.dependants import deaths, service, successions


async def on_births_registered(
    session: Session, events: list[Event[BirthRegistered]], runtime: Runtime
) -> None:
    await service.register_for_births(session, events, gateway=runtime.gateway)


async def on_person_deceased(session: Session, event: Event[PersonDeceased], runtime: Runtime) -> None:
    del runtime
    await deaths.close_for_death(
        session,
        event,
        personal_id=event.data.personal_id,
        died_on=event.data.died_on,
        told=Told(event.data.person_id, event.data.version),
    )


async def on_person_death_cancelled(
    session: Session, event: Event[PersonDeathCancelled], _runtime: Runtime
) -> None:
    told = Told(event.data.person_id, event.data.version)
    await deaths.live_on(session, event, personal_id=event.data.personal_id, told=told)


async def on_personal_id_cancelled(
    session: Session, event: Event[PersonalIdCancelled], _runtime: Runtime
) -> None:
    old, new = event.data.old_personal_id, event.data.superseded_by
    if new is not None:
        await successions.follow_number(session, event, old=old, new=new, merger=None)


async def on_persons_merged(session: Session, event: Event[PersonsMerged], _runtime: Runtime) -> None:
    old, new = event.data.merged_personal_id, event.data.personal_id
    merger = Merger(event.data.person_id, event.data.version)
    await successions.follow_number(session, event, old=old, new=new, merger=merger)


async def on_persons_separated(session: Session, event: Event[PersonsSeparated], _runtime: Runtime) -> None:
    if event.data.undone:
        remaining, separated = event.data.personal_id, event.data.separated_personal_id
        merger = Merger(event.data.person_id, event.data.version)
        await successions.part_numbers(
            session, event, remaining=remaining, separated=separated, merger=merger
        )
