"""A service without a domain: only the runtime's own tables, and handlers that a test scripts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from ndx_chassis.app import Runtime, ServiceSpec, build_app
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.tables import runtime_metadata
from ndx_contracts.events import PersonDeceased
from ndx_contracts.events import envelope as ce
from ndx_testing import postgres
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(slots=True)
class Handler:
    """Does one thing to the database, unless it is told to fail."""

    failure: Exception | None = None
    seen: list[str] = field(default_factory=list)

    async def __call__(self, session: AsyncSession, event: Event[PersonDeceased], _runtime: Runtime) -> None:
        self.seen.append(str(event.id))
        await session.execute(text("INSERT INTO effects (id) VALUES (:id)"), {"id": str(event.id)})
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def subscription(handler: Handler) -> Subscription:
    return Subscription("population.person.v1", "test", {PersonDeceased: handler})


@pytest.fixture(scope="session")
def chassis_template(postgres_url: str) -> str:
    """Name of a database with nothing but the runtime's own tables and the handler's."""
    name = f"template_chassis_{uuid4().hex[:8]}"

    async def make() -> None:
        await postgres.execute(postgres_url, f'CREATE DATABASE "{name}"')
        settings = ServiceSettings(database_url=SecretStr(postgres.named(postgres_url, name)))
        engine = build_app(ServiceSpec("test", "Test", settings)).state.runtime.engine
        async with engine.begin() as connection:
            await connection.run_sync(runtime_metadata.create_all)
            await connection.execute(text("CREATE TABLE effects (id text)"))
        await engine.dispose()

    asyncio.run(make())
    return name


@pytest_asyncio.fixture
async def database_url(postgres_url: str, chassis_template: str) -> AsyncIterator[str]:
    """URL of this test's own database."""
    url = await postgres.make_copy(postgres_url, chassis_template)
    yield url
    await postgres.drop(postgres_url, url)


@pytest_asyncio.fixture
async def runtime(database_url: str) -> AsyncIterator[Runtime]:
    settings = ServiceSettings(database_url=SecretStr(database_url))
    made: Runtime = build_app(ServiceSpec("test", "Test", settings)).state.runtime
    yield made
    await made.engine.dispose()


@pytest.fixture
def parcel() -> Callable[..., Parcel]:
    """Make messages as Kafka brings them; `value` replaces the body."""

    def make(value: str | None = None, **headers: Any) -> Parcel:
        data = PersonDeceased.model_validate(
            {"person_id": str(uuid4()), "personal_id": "079226000017", "died_on": "2026-11-20", "version": 2}
        )
        sent = {ce.CE_ID: str(new_id()), ce.CE_TYPE: data.TYPE, ce.CE_SUBJECT: data.key}
        return Parcel(data.TOPIC, data.key, value or data.model_dump_json(), {**sent, **headers})

    return make
