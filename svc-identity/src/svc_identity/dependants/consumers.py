"""Kafka door: a birth attaches, a death ends and locks, a number that leads on takes all along."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
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

from svc_identity.accounts.locking import end_for_life, lock_for_death
from svc_identity.dependants import service, successions
from svc_identity.dependants.models import Relation


async def on_births_registered(
    session: Session, events: list[Event[BirthRegistered]], runtime: Runtime
) -> None:
    for event in events:
        birth = event.data
        parents = [
            (relation, parent)
            for relation, parent in (
                (Relation.MOTHER, birth.mother_personal_id),
                (Relation.FATHER, birth.father_personal_id),
            )
            if parent is not None
        ]
        with event.trace():
            await service.attach_newborn(session, runtime, event, child=birth.personal_id, parents=parents)


async def on_person_deceased(session: Session, event: Event[PersonDeceased], _runtime: Runtime) -> None:
    number, told = event.data.personal_id, Told(event.data.person_id, event.data.version)
    if await lock_for_death(session, event, number, told):
        await service.end_by_death(session, event, personal_id=number)


async def on_person_death_cancelled(
    session: Session, event: Event[PersonDeathCancelled], _runtime: Runtime
) -> None:
    number, told = event.data.personal_id, Told(event.data.person_id, event.data.version)
    if await end_for_life(session, event, number, told):
        await service.resume_after_death(session, event, personal_id=number)


async def on_personal_id_cancelled(
    session: Session, event: Event[PersonalIdCancelled], _runtime: Runtime
) -> None:
    old, new = event.data.old_personal_id, event.data.superseded_by
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


SUBSCRIPTIONS = [
    Subscription("civil-registry.birth.v1", "identity", together={BirthRegistered: on_births_registered}),
    Subscription(
        "population.person.v1",
        "identity",
        {
            PersonDeceased: on_person_deceased,
            PersonDeathCancelled: on_person_death_cancelled,
            PersonsMerged: on_persons_merged,
            PersonsSeparated: on_persons_separated,
        },
    ),
    Subscription("population.personal-id.v1", "identity", {PersonalIdCancelled: on_personal_id_cancelled}),
]
