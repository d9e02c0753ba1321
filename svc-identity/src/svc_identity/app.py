"""Puts svc-identity together: the slices' routes, subscriptions and jobs."""

from fastapi import FastAPI
from ndx_chassis.app import ServiceSpec, build_app

from svc_identity.accounts import endpoints as account_endpoints
from svc_identity.consents import endpoints as consent_endpoints
from svc_identity.dependants import consumers as dependant_consumers
from svc_identity.dependants import endpoints as dependant_endpoints
from svc_identity.dependants import jobs as dependant_jobs
from svc_identity.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    return build_app(
        ServiceSpec(
            name="identity",
            title="Identity cards and e-ID accounts",
            settings=settings or Settings(),
            routers=[account_endpoints.router, dependant_endpoints.router, consent_endpoints.router],
            subscriptions=dependant_consumers.SUBSCRIPTIONS,
            jobs=[dependant_jobs.END_BY_AGE],
        )
    )
