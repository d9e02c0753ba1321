"""Fixtures for every service's tests: real PostgreSQL, the real application, doors to its effects.

A service's `tests/conftest.py` only says which package it tests:

    @pytest.fixture(scope="session")
    def service_package() -> str:
        return "svc_tax_link"
"""

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import hypothesis
import pytest
import pytest_asyncio
from fastapi import FastAPI
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import handle
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel
from ndx_chassis.settings import ServiceSettings
from ndx_contracts import headers as names
from ndx_contracts.agreements import Agreement, AgreementState, Conditions, LegalBasis, OperationGrant, Quotas
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.events import envelope as ce
from ndx_contracts.events.envelope import EventData
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_testing import observation, postgres
from ndx_testing.gateway import RecordingGateway
from ndx_testing.house_report import OBSERVATIONS
from ndx_testing.observation import Observer, RowCounter

pytest_plugins = ["ndx_testing.house_report"]

# Tests are imported by path: without this, their folder `gateway/` would take the name of the package.
with contextlib.suppress(ImportError):
    importlib.import_module("gateway")

# A machine that stalls for a moment is no fault of a rule: examples of a property have no time of their own.
hypothesis.settings.register_profile(
    "ndx", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ndx")

Agree = Callable[..., Agreement]
Headers = dict[str, str]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the run's PostgreSQL server."""
    with postgres.running_server() as url:
        yield url


@pytest.fixture(scope="session")
def database_templates() -> dict[str, str]:
    """Names of the template databases made in this run, by package: one run may test several services."""
    return {}


@pytest.fixture
def database_template(postgres_url: str, service_package: str, database_templates: dict[str, str]) -> str:
    """Name of the service's migrated template database."""
    if service_package not in database_templates:
        name = asyncio.run(postgres.make_template(postgres_url, service_package))
        postgres.migrate(postgres_url, service_package, name)
        database_templates[service_package] = name
    return database_templates[service_package]


@pytest_asyncio.fixture
async def database_url(postgres_url: str, database_template: str) -> AsyncIterator[str]:
    """URL of this test's own database."""
    url = await postgres.make_copy(postgres_url, database_template)
    yield url
    await postgres.drop(postgres_url, url)


@pytest.fixture
def service_settings() -> dict[str, Any]:
    """Further settings of the service under test; override in a conftest."""
    return {}


@pytest.fixture
def settings(service_package: str, database_url: str, service_settings: dict[str, Any]) -> ServiceSettings:
    """Give settings that point to this test's database."""
    module = importlib.import_module(f"{service_package}.settings")
    made: ServiceSettings = module.Settings(database_url=database_url, **service_settings)
    return made


@pytest.fixture
def says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test whose successful answers say nothing about anybody, such as "this place does not exist"."""
    monkeypatch.setattr(observation, "says_nothing", True)


@pytest.fixture
def gateway() -> RecordingGateway:
    """Give the double that stands where the gateway client stands."""
    return RecordingGateway()


@pytest_asyncio.fixture
async def app(
    service_package: str,
    settings: ServiceSettings,
    gateway: RecordingGateway,
    pytestconfig: pytest.Config,
) -> AsyncIterator[FastAPI]:
    """Give the real application on a real database; Kafka is replaced by `deliver` and `emitted`."""
    application: FastAPI = importlib.import_module(f"{service_package}.app").create_app(settings)
    runtime: Runtime = application.state.runtime
    runtime.gateway = gateway  # type: ignore[assignment]  # the double has the client's shape
    rows = RowCounter(settings.asyncpg_dsn)
    application.add_middleware(Observer, rows=rows, observations=pytestconfig.stash[OBSERVATIONS])
    for start in application.state.spec.on_start:
        await start(runtime)
    yield application
    rows.close()
    for stop in application.state.spec.on_stop:
        await stop(runtime)
    await runtime.engine.dispose()
    await runtime.copies.close()


@pytest.fixture
def runtime(app: FastAPI) -> Runtime:
    """Give what the doors of the service share."""
    made: Runtime = app.state.runtime
    return made


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the application; send `as_agency(...)` headers with it."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as made:
        yield made


@pytest_asyncio.fixture
async def session(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    """Give a session of its own, for looking at what was written."""
    async with runtime.sessions() as made:
        yield made


@pytest.fixture
def agree(runtime: Runtime) -> Agree:
    """Install an agreement: `agree("H79.001", {"insurance.get_x": [...]}, purposes=[...])`."""

    def install(
        agency: str,
        operations: dict[str, list[FieldGroup]],
        *,
        purposes: list[str],
        agreement_id: str | None = None,
        **terms: Any,
    ) -> Agreement:
        agreement = Agreement(
            agreement_id=agreement_id or f"DSA-{agency}-1",
            version=1,
            state=terms.pop("state", AgreementState.ACTIVE),
            consumer_agency=None if "consumer_class" in terms else agency,
            consumer_name=f"Cơ quan {agency}",
            consumer_name_en=f"Agency {agency}",
            provider_agency=terms.pop("provider_agency", "G01"),
            operations=tuple(
                OperationGrant(operation=name, field_groups=tuple(groups))
                for name, groups in operations.items()
            ),
            purposes=tuple(purposes),
            legal_basis=LegalBasis(text="Quy định dùng trong kiểm thử", reference="TEST"),
            valid_from=terms.pop("valid_from", date(2025, 1, 1)),
            quotas=terms.pop("quotas", Quotas()),
            conditions=terms.pop("conditions", Conditions()),
            **terms,
        )
        runtime.agreements.put(agreement)
        return agreement

    return install


@pytest.fixture
def as_agency() -> Callable[..., Headers]:
    """Headers as the gateway sets them for an agency's call."""

    def headers(
        agency: str,
        *,
        purpose: str = "",
        system: str = "one-stop",
        agreement: str | None = None,
        **extra: str,
    ) -> Headers:
        sent = {
            names.AGENCY: agency,
            names.SYSTEM: system,
            names.AGREEMENT: agreement if agreement is not None else f"DSA-{agency}-1",
            names.PURPOSE: purpose,
            names.REQUEST_ID: str(uuid4()),
        }
        sent.update({k.replace("_", "-"): v for k, v in extra.items()})
        return sent

    return headers


@pytest.fixture
def as_citizen() -> Callable[..., Headers]:
    """Headers as the gateway sets them for a logged-in citizen."""

    def headers(account_id: UUID, *, acr: int = 2) -> Headers:
        return {names.CITIZEN: str(account_id), names.ACR: str(acr), names.REQUEST_ID: str(uuid4())}

    return headers


@pytest.fixture
def as_operator() -> Callable[..., Headers]:
    """Headers as the gateway sets them for an operator."""

    def headers(agency: str, login: str) -> Headers:
        return {names.OPERATOR: f"{agency}:{login}", names.REQUEST_ID: str(uuid4())}

    return headers


@pytest.fixture
def emitted(runtime: Runtime) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """Read the events in the outbox, oldest first: dicts with `type`, `key` and `data`."""

    async def read() -> list[dict[str, Any]]:
        async with runtime.sessions() as own:
            rows = await own.execute(text("SELECT type, aggregateid, payload FROM outbox ORDER BY xid, id"))
            return [{"type": r.type, "key": r.aggregateid, "data": json.loads(r.payload)} for r in rows]

    return read


@pytest.fixture
def disclosed(runtime: Runtime) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """Read the disclosure records, oldest first."""

    async def read() -> list[dict[str, Any]]:
        async with runtime.sessions() as own:
            rows = await own.execute(text("SELECT * FROM disclosures ORDER BY id"))
            return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented accessor

    return read


@pytest.fixture
def deliver(app: FastAPI) -> Callable[..., Awaitable[None]]:
    """Deliver an event to this service's handlers, twice, as Kafka may."""

    async def send(
        data: EventData | DisclosureRecord, *, event_id: UUID | None = None, times: int = 2
    ) -> None:
        runtime: Runtime = app.state.runtime
        identifier = event_id or new_id()
        topic = data.TOPIC if isinstance(data, EventData) else f"{data.service}.disclosure.v1"
        kind = data.TYPE if isinstance(data, EventData) else topic
        key = data.key if isinstance(data, EventData) else str(data.id)
        headers = {
            ce.CE_ID: str(identifier),
            ce.CE_TYPE: kind,
            ce.CE_SOURCE: "/test",
            ce.CE_SUBJECT: key,
            ce.CE_TIME: datetime.now(UTC).isoformat(),
        }
        parcel = Parcel(topic=topic, key=key, value=data.model_dump_json(), headers=headers)
        for _ in range(times):
            for subscription in app.state.spec.subscriptions:
                if subscription.topic == topic:
                    await handle(runtime, subscription, parcel)

    return send
