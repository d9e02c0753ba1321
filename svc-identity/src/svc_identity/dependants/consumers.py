"""Kafka door of dependants: a birth attaches, a death ends (and locks the dead person's account)."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import BirthRegistered, PersonDeceased

from svc_identity.accounts.service import lock_for_death
from svc_identity.dependants import service
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
    await lock_for_death(session, event, personal_id=event.data.personal_id)
    await service.end_by_death(session, event, personal_id=event.data.personal_id)


SUBSCRIPTIONS = [
    Subscription("civil-registry.birth.v1", "identity", together={BirthRegistered: on_births_registered}),
    Subscription("population.person.v1", "identity", {PersonDeceased: on_person_deceased}),
]
