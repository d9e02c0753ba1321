"""Puts the tax link together."""

from fastapi import FastAPI
from ndx_chassis.app import ServiceSpec, build_app
from ndx_chassis.consumer import Subscription
from ndx_contracts.events import (
    BirthRegistered,
    PersonalIdCancelled,
    PersonDeathCancelled,
    PersonDeceased,
    PersonsMerged,
    PersonsSeparated,
)

from svc_tax_link.dependants import consumers
from svc_tax_link.dependants import endpoints as dependants
from svc_tax_link.settings import Settings
from svc_tax_link.taxpayers import endpoints as taxpayers


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; nothing is connected before its lifespan starts."""
    return build_app(
        ServiceSpec(
            name="tax",
            title="Tax link: taxpayers and dependants",
            settings=settings or Settings(),
            routers=[taxpayers.router, dependants.router],
            subscriptions=[
                Subscription(
                    topic=BirthRegistered.TOPIC,
                    group="tax",
                    together={BirthRegistered: consumers.on_births_registered},
                ),
                Subscription(
                    topic=PersonDeceased.TOPIC,
                    group="tax",
                    handlers={
                        PersonDeceased: consumers.on_person_deceased,
                        PersonDeathCancelled: consumers.on_person_death_cancelled,
                        PersonsMerged: consumers.on_persons_merged,
                        PersonsSeparated: consumers.on_persons_separated,
                    },
                ),
                Subscription(
                    topic=PersonalIdCancelled.TOPIC,
                    group="tax",
                    handlers={PersonalIdCancelled: consumers.on_personal_id_cancelled},
                ),
            ],
        )
    )
