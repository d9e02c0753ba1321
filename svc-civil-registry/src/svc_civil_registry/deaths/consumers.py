"""The Kafka door of deaths: which numbers are one person."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event
from ndx_chassis.db import Session
from ndx_chassis.former_numbers import Merger
from ndx_contracts.events import PersonalIdCancelled, PersonsMerged, PersonsSeparated

from svc_civil_registry.deaths import successions


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
        await successions.part_numbers(
            session,
            remaining=event.data.personal_id,
            separated=event.data.separated_personal_id,
            merger=Merger(event.data.person_id, event.data.version),
            actor=event,
        )
