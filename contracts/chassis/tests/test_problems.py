"""What a caller sees when something fails that no service raised on purpose."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import APIRouter
from ndx_chassis.app import ServiceSpec, build_app
from ndx_chassis.db import SessionDep
from ndx_chassis.settings import ServiceSettings
from ndx_local import postgres as server
from ndx_testing import postgres
from pydantic import SecretStr
from sqlalchemy import text

pytestmark = pytest.mark.integration
router = APIRouter()


@router.get("/now")
async def show_now(session: SessionDep) -> str:
    return str(await session.scalar(text("SELECT 'now'")))


@router.get("/too-big")
async def show_too_big(session: SessionDep) -> str:
    return str(await session.scalar(text("SELECT CAST(:n AS int)"), {"n": 2**70}))


@router.get("/starting")
async def show_starting() -> str:
    raise asyncpg.CannotConnectNowError("the database system is starting up")


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = ServiceSettings(database_url=SecretStr(url))
    app = build_app(ServiceSpec("test", "Test", settings, routers=[router]))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
    await app.state.runtime.engine.dispose()


class TestDatabaseAway:
    async def test_every_way_of_being_away_is_a_503_that_says_when_to_come_back(self, tmp_path: Path) -> None:
        with server.running(tmp_path) as own:
            url = own.url()
            async with client_of(url) as client:
                assert (await client.get("/now")).status_code == 200
                await postgres.execute(
                    url,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
                )
                replies = [await client.get("/now"), await client.get("/starting")]
                assert (await client.get("/now")).status_code == 200
        async with client_of(url) as client:
            replies.append(await client.get("/now"))
            ready = await client.get("/health/ready")
        for reply in replies:
            assert (reply.status_code, reply.json()["code"]) == (503, "service-unavailable")
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.headers["retry-after"] == "1"
        assert ready.status_code == 503

    async def test_a_service_that_is_leaving_is_not_ready_and_serves_on(self, postgres_url: str) -> None:
        async with client_of(postgres_url) as client:
            assert (await client.get("/health/ready")).status_code == 200
            transport = client._transport
            assert isinstance(transport, httpx.ASGITransport)
            transport.app.state.runtime.leaving = True  # type: ignore[attr-defined]  # httpx calls it any ASGI app
            assert (await client.get("/health/ready")).json() == {"status": "DOWN", "part": "leaving"}
            assert (await client.get("/now")).status_code == 200

    async def test_a_value_that_the_database_does_not_take_is_no_absence(self, postgres_url: str) -> None:
        async with client_of(postgres_url) as client:
            reply = await client.get("/too-big")
        assert (reply.status_code, reply.json()["code"]) == (500, "internal-error")
        assert str(2**70) not in reply.text
