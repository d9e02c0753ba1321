"""Answers kept for repeats are forgotten after their time; their keys stay, so nothing is done twice."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from ndx_chassis.app import Runtime, ServiceSpec, build_app
from ndx_chassis.idempotency import KEPT, forget_answers
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.tables import idempotency_keys
from pydantic import SecretStr
from sqlalchemy import insert, select

pytestmark = pytest.mark.integration

_HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def kept(runtime: Runtime) -> None:
    """Three keys: answered longer ago than answers are kept, answered within that time, and not yet."""
    now = datetime.now(UTC)
    rows = [
        {"key": "old", "created_at": now - KEPT - _HOUR, "response": "{}"},
        {"key": "young", "created_at": now - KEPT + _HOUR, "response": "{}"},
        {"key": "open", "created_at": now - KEPT - _HOUR, "response": None},
    ]
    asked = {"caller": "G01/hospital", "operation": "test.act", "request_hash": "h"}
    async with runtime.sessions() as session, session.begin():
        await session.execute(insert(idempotency_keys), [row | asked for row in rows])


async def answers(runtime: Runtime) -> dict[str, str | None]:
    columns = select(idempotency_keys.c.key, idempotency_keys.c.response)
    async with runtime.sessions() as session:
        return {row.key: row.response for row in await session.execute(columns)}


class TestForgetAnswers:
    async def test_what_is_older_than_seven_days_is_gone_and_its_key_stays(
        self, runtime: Runtime, kept: None
    ) -> None:
        assert timedelta(days=7) == KEPT
        await forget_answers(runtime)
        assert await answers(runtime) == {"old": None, "young": "{}", "open": None}

    async def test_once_more_changes_nothing(self, runtime: Runtime, kept: None) -> None:
        for _ in range(2):
            await forget_answers(runtime)
        assert (await answers(runtime))["young"] == "{}"

    async def test_a_service_that_starts_its_jobs_forgets_them(
        self, runtime: Runtime, kept: None, database_url: str
    ) -> None:
        settings = ServiceSettings(database_url=SecretStr(database_url), workers_roles="jobs")
        app = build_app(ServiceSpec("test", "Test", settings, uses_agreements=False))
        async with app.router.lifespan_context(app), asyncio.timeout(30):
            while (await answers(runtime))["old"] is not None:  # noqa: ASYNC110 - another session writes it
                await asyncio.sleep(0.05)
        assert (await answers(runtime))["young"] == "{}"
