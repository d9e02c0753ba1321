"""Puts the civil registry together."""

from fastapi import FastAPI
from ndx_chassis.app import ServiceSpec, build_app
from ndx_chassis.consumer import Subscription
from ndx_contracts.events import PersonalIdCancelled, PersonsMerged, PersonsSeparated

from svc_civil_registry.births.endpoints import router as births
from svc_civil_registry.births.jobs import BIRTHS_AWAITING_NUMBER
from svc_civil_registry.certificates.endpoints import router as certificates
from svc_civil_registry.deaths import consumers
from svc_civil_registry.deaths.endpoints import router as deaths
from svc_civil_registry.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application."""
    return build_app(
        ServiceSpec(
            name="civil-registry",
            title="Civil registry",
            settings=settings or Settings(),
            routers=[births, certificates, deaths],
            subscriptions=[
                Subscription(
                    topic=PersonsMerged.TOPIC,
                    group="civil-registry",
                    handlers={
                        PersonsMerged: consumers.on_persons_merged,
                        PersonsSeparated: consumers.on_persons_separated,
                    },
                ),
                Subscription(
                    topic=PersonalIdCancelled.TOPIC,
                    group="civil-registry",
                    handlers={PersonalIdCancelled: consumers.on_personal_id_cancelled},
                ),
            ],
            jobs=[BIRTHS_AWAITING_NUMBER],
        )
    )
