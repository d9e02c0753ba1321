"""Puts the insurance link together."""

from fastapi import FastAPI
from ndx_chassis.app import ServiceSpec, build_app
from ndx_chassis.consumer import Subscription
from ndx_contracts.events import (
    BirthRegistered,
    PersonalIdCancelled,
    PersonChanged,
    PersonDeathCancelled,
    PersonDeceased,
    PersonsMerged,
    PersonsSeparated,
)

from svc_insurance_link.checks import endpoints as checks
from svc_insurance_link.entitlements import consumers
from svc_insurance_link.entitlements import endpoints as entitlements
from svc_insurance_link.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; nothing is connected before its lifespan starts."""
    return build_app(
        ServiceSpec(
            name="insurance",
            title="Insurance link: participants, entitlements and checks at the clinic",
            settings=settings or Settings(),
            routers=[entitlements.router, checks.router],
            subscriptions=[
                Subscription(
                    topic=BirthRegistered.TOPIC,
                    group="insurance",
                    together={BirthRegistered: consumers.on_births_registered},
                ),
                Subscription(
                    topic=PersonDeceased.TOPIC,
                    group="insurance",
                    handlers={
                        PersonDeceased: consumers.on_person_deceased,
                        PersonDeathCancelled: consumers.on_person_death_cancelled,
                        PersonChanged: consumers.on_person_changed,
                        PersonsMerged: consumers.on_persons_merged,
                        PersonsSeparated: consumers.on_persons_separated,
                    },
                ),
                Subscription(
                    topic=PersonalIdCancelled.TOPIC,
                    group="insurance",
                    handlers={PersonalIdCancelled: consumers.on_personal_id_cancelled},
                ),
            ],
        )
    )
