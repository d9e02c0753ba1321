"""Puts svc-auth together: the slices' routes, the subscription, the keys."""

from fastapi import FastAPI
from ndx_chassis.app import Runtime, ServiceSpec, build_app

from svc_auth.authenticators import endpoints as authenticator_endpoints
from svc_auth.authenticators.passcodes import prepare
from svc_auth.keys import require_keys
from svc_auth.oidc import answers, consumers, jobs
from svc_auth.oidc import endpoints as oidc_endpoints
from svc_auth.settings import Settings


async def _prepare(_runtime: Runtime) -> None:
    prepare()


def create_app(settings: Settings | None = None) -> FastAPI:
    app = build_app(
        ServiceSpec(
            name="auth",
            title="OpenID provider for account holders",
            settings=settings or Settings(),
            routers=[oidc_endpoints.router, authenticator_endpoints.router],
            subscriptions=consumers.SUBSCRIPTIONS,
            jobs=[jobs.FORGET_ENDED],
            on_start=[require_keys, _prepare],
            uses_agreements=False,
        )
    )
    answers.install(app)
    return app
