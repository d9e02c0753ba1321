"""Puts the civil registry together."""

from fastapi import FastAPI
from ndx_chassis.app import ServiceSpec, build_app

from svc_civil_registry.births.endpoints import router as births
from svc_civil_registry.births.jobs import BIRTHS_AWAITING_NUMBER
from svc_civil_registry.certificates.endpoints import router as certificates
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
            jobs=[BIRTHS_AWAITING_NUMBER],
        )
    )
