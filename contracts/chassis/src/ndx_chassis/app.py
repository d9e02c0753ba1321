"""Puts a service together: routes, doors to Kafka and the clock, and what they share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, FastAPI, Request
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.problems import MEDIA_TYPE, Problem
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from ndx_chassis import consents, health, problems, signing
from ndx_chassis.agreements import AgreementBook
from ndx_chassis.consumer import Subscription
from ndx_chassis.db import Copies, make_engine, make_sessions
from ndx_chassis.disclosure import HoursWritten, make_partitions
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.idempotency import forget_answers
from ndx_chassis.inbox import retry_due
from ndx_chassis.jobs import Job, lead, run_job
from ndx_chassis.metrics import Metrics
from ndx_chassis.metrics import router as metrics_router
from ndx_chassis.middleware import PlainApp, PlainRoute, RequestFrame
from ndx_chassis.reader import Reader, by_group
from ndx_chassis.relay import Relay
from ndx_chassis.settings import ServiceSettings, kafka_client
from ndx_chassis.telemetry import log

_DOORS = frozenset({"agency", "citizen", "public", "operator", "agency_metadata"})
_CHANGES = frozenset({"ANNOUNCED", "UNANNOUNCED", "NOTHING"})


def operation(
    *,
    door: str = "agency",
    personal_data: bool = False,
    field_groups: Sequence[FieldGroup] = (),
    cost: int = 1,
    acr: int = 1,
    changes: str | None = None,
) -> dict[str, Any]:
    """Declare a route to the catalogue: goes into its `openapi_extra`.

    `door` says who may come in; `field_groups` are the groups that it can disclose; `cost` is in quota
    units; `acr` is the least authentication level of a citizen. A GET changes NOTHING; another method
    changes something, ANNOUNCED by an event at the agencies' door and UNANNOUNCED at the others. `changes`
    says so where it is otherwise, such as NOTHING for a POST that only asks.
    """
    if door not in _DOORS:
        raise ValueError(f"unknown door {door}")
    declared: dict[str, Any] = {
        "door": door,
        "personal_data": personal_data,
        "field_groups": [g.value for g in field_groups],
        "cost": cost,
        "acr": acr,
    }
    if changes is not None:
        if changes not in _CHANGES:
            raise ValueError(f"unknown kind of change {changes}")
        declared["changes"] = changes
    return {"x-ndx-operation": declared}


def public(*, changes: str | None = None) -> dict[str, Any]:
    """Declare a route that needs no caller."""
    return operation(door="public", changes=changes)


@dataclass(slots=True)
class Runtime:
    """What the doors of one running service share."""

    service: str
    settings: ServiceSettings
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    gateway: GatewayClient
    agreements: AgreementBook
    copies: Copies
    signing_keys: signing.SigningKeyBook = field(default_factory=signing.SigningKeyBook)
    metrics: Metrics = field(default_factory=Metrics)
    relay: Relay | None = None
    leaving: bool = False
    """Told to stop: what is asked is still served, but nothing new should be sent here."""
    extras: dict[str, Any] = field(default_factory=dict)
    on_nudge: list[Callable[[], None]] = field(default_factory=list)

    def nudge(self) -> None:
        """Say that something was committed."""
        if self.relay is not None:
            self.relay.nudge()
        for call in self.on_nudge:
            call()


async def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(_runtime)]
Hook = Callable[[Runtime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """Everything that makes one service."""

    name: str
    title: str
    settings: ServiceSettings
    routers: Sequence[APIRouter] = ()
    plain_routes: Sequence[PlainRoute] = ()
    subscriptions: Sequence[Subscription] = ()
    jobs: Sequence[Job] = ()
    on_start: Sequence[Hook] = ()
    on_stop: Sequence[Hook] = ()
    uses_agreements: bool = True


def build_app(spec: ServiceSpec) -> FastAPI:
    """Return the application; nothing runs and nothing is connected before its lifespan starts."""
    if spec.uses_agreements:
        spec = replace(spec, subscriptions=[*spec.subscriptions, consents.subscription(spec.name)])
    settings = spec.settings
    engine = make_engine(settings)
    runtime = Runtime(
        service=spec.name,
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        gateway=GatewayClient(settings),
        agreements=AgreementBook(),
        copies=Copies(settings),
    )
    runtime.metrics.sources.append(HoursWritten())

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = await _start(spec, runtime)
        log.info("service_started", name=spec.name)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stop in spec.on_stop:
                await stop(runtime)
            await runtime.gateway.close()
            await engine.dispose()
            await runtime.copies.close()
            log.info("service_stopped", name=spec.name)

    app = PlainApp(
        title=spec.title,
        version="1.0.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # FastAPI's own spans carry url.path, which may hold a personal ID; ours carry the template.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
        responses={"default": {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "Problem"}},
    )
    app.state.runtime = runtime
    app.state.spec = spec
    problems.install(app)
    app.add_middleware(RequestFrame, max_body_bytes=settings.max_body_bytes, metrics=runtime.metrics)
    signing.install(app, settings, runtime.signing_keys)
    app.plain = [plain.route for plain in spec.plain_routes]
    app.router.routes.extend(app.plain)  # so that a wrong method is told apart from a wrong path
    app.include_router(health.router)
    app.include_router(metrics_router)
    for router in spec.routers:
        app.include_router(router)
    if spec.plain_routes:
        _describe_plain_routes(app, spec.plain_routes)
    return app


def _describe_plain_routes(app: FastAPI, plain_routes: Sequence[PlainRoute]) -> None:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            for plain in plain_routes:
                for method in sorted((plain.route.methods or set()) - {"HEAD"}):
                    schema["paths"].setdefault(plain.route.path, {})[method.lower()] = plain.openapi_path
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


async def _start(spec: ServiceSpec, runtime: Runtime) -> list[asyncio.Task[None]]:
    settings = spec.settings
    tasks: list[asyncio.Task[None]] = []
    servers = settings.kafka_bootstrap_servers
    kafka_client(servers or "")  # it does not start with certificates that do not fit
    if spec.uses_agreements:
        try:
            async with runtime.sessions() as session:
                await runtime.agreements.load(session)
        except (SQLAlchemyError, OSError, asyncpg.PostgresError) as error:
            log.warning("agreements_not_loaded", error=type(error).__name__)
        if servers:
            tasks.append(asyncio.create_task(runtime.agreements.follow(runtime.sessions, servers)))
    tasks.extend(_signed_exchange(runtime))
    for start in spec.on_start:
        await start(runtime)
    leading: list[Callable[[], Awaitable[None]]] = []
    if servers and "relay" in settings.roles:
        runtime.relay = relay = Relay(spec.name, settings.asyncpg_dsn, servers, runtime.metrics)
        leading.append(relay.run)
    subscriptions = list(spec.subscriptions)
    if servers and "consumers" in settings.roles:
        readers = [Reader(runtime, group, servers) for group in by_group(subscriptions).values()]
        tasks.extend(asyncio.create_task(reader.run()) for reader in readers)
    jobs = [*spec.jobs, Job("disclosure_partitions", 21_600, make_partitions)]
    jobs.append(Job("idempotency_answers", 86_400, forget_answers))
    if subscriptions:
        jobs.append(Job("inbox_retry", 0.5, lambda r: retry_due(r, subscriptions)))
    if "jobs" in settings.roles:
        leading.extend(_job_task(runtime, job) for job in jobs)
    if leading:
        tasks.append(asyncio.create_task(lead(spec.name, settings.asyncpg_dsn, leading, runtime.metrics)))
    return tasks


def _signed_exchange(runtime: Runtime) -> list[asyncio.Task[None]]:
    servers = runtime.settings.kafka_bootstrap_servers
    if not servers:  # then there is nowhere to read callers' keys, or to publish ours
        return []
    return [
        asyncio.create_task(runtime.signing_keys.follow(servers)),
        asyncio.create_task(signing.publish(runtime.settings, runtime.gateway)),
    ]


def _job_task(runtime: Runtime, job: Job) -> Callable[[], Awaitable[None]]:
    return lambda: run_job(runtime, job)
