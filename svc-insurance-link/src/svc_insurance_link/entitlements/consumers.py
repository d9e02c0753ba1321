"""The Kafka door: births open entitlements, deaths end them, and taken back open them again."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_chassis.former_numbers import Merger
from ndx_chassis.told import Told
from ndx_contracts.events import (
    BirthRegistered,
    PersonalIdCancelled,
    PersonChanged,
    PersonDeathCancelled,
    PersonDeceased,
    PersonsMerged,
    PersonsSeparated,
)

from svc_insurance_link.entitlements import service, successions


async def on_births_registered(
    session: Session, events: list[Event[BirthRegistered]], runtime: Runtime
) -> None:
    await service.open_for_births(session, events, gateway=runtime.gateway)


async def on_person_deceased(session: Session, event: Event[PersonDeceased], runtime: Runtime) -> None:
    del runtime
    await service.end_for_death(
        session,
        event,
        personal_id=event.data.personal_id,
        died_on=event.data.died_on,
        told=Told(event.data.person_id, event.data.version),
    )


async def on_person_death_cancelled(
    session: Session, event: Event[PersonDeathCancelled], runtime: Runtime
) -> None:
    number = event.data.personal_id
    told = Told(event.data.person_id, event.data.version)
    await service.live_on(session, event, personal_id=number, told=told)
    # What was corrected while the person was held for dead was not followed.
    await service.follow_change(
        session,
        event,
        gateway=runtime.gateway,
        personal_id=number,
        changed=tuple(service.IDENTITY_GROUPS),
    )


async def on_person_changed(session: Session, event: Event[PersonChanged], runtime: Runtime) -> None:
    await service.follow_change(
        session,
        event,
        gateway=runtime.gateway,
        personal_id=event.data.personal_id,
        changed=event.data.changed,
    )


async def on_personal_id_cancelled(
    session: Session, event: Event[PersonalIdCancelled], runtime: Runtime
) -> None:
    if event.data.superseded_by is not None:
        await successions.follow_number(
            session,
            event,
            gateway=runtime.gateway,
            old=event.data.old_personal_id,
            new=event.data.superseded_by,
            merger=None,
        )


async def on_persons_merged(session: Session, event: Event[PersonsMerged], runtime: Runtime) -> None:
    await successions.follow_number(
        session,
        event,
        gateway=runtime.gateway,
        old=event.data.merged_personal_id,
        new=event.data.personal_id,
        merger=Merger(event.data.person_id, event.data.version),
    )


async def on_persons_separated(session: Session, event: Event[PersonsSeparated], runtime: Runtime) -> None:
    if event.data.undone:
        await successions.part_numbers(
            session,
            event,
            gateway=runtime.gateway,
            remaining=event.data.personal_id,
            separated=event.data.separated_personal_id,
            merger=Merger(event.data.person_id, event.data.version),
        )
