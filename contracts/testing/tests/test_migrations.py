"""Migrations of every service wait for each other, and give up where they would stop traffic."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from ndx_chassis.migrations import upgrade
from ndx_testing import postgres
from sqlalchemy.exc import DBAPIError

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def empty(postgres_url: str) -> AsyncIterator[str]:
    url = await postgres.make_empty(postgres_url)
    yield url
    await postgres.drop(postgres_url, url)


async def migrate(url: str, revision: str = "head") -> None:
    target = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    await asyncio.to_thread(upgrade, "gateway", target, revision=revision)


class TestMigrations:
    async def test_two_migrators_at_one_time_do_the_work_once(self, empty: str) -> None:
        migrators = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ndx_chassis.migrations", "gateway"),
                env={**os.environ, "GATEWAY_DATABASE_URL": empty},
                stdout=asyncio.subprocess.DEVNULL,
            )
            for _ in range(2)
        ]
        assert [await migrator.wait() for migrator in migrators] == [0, 0]
        connection = await asyncpg.connect(empty)
        assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
        await connection.close()

    async def test_a_table_in_use_makes_the_migration_fail_and_not_queue(self, empty: str) -> None:
        # A waiting ALTER stands in front of everybody who only reads: so it may wait a few seconds at most.
        await migrate(empty, "0001")
        reader = await asyncpg.connect(empty)
        async with reader.transaction():
            await reader.execute("LOCK TABLE ledger_arrivals IN ROW EXCLUSIVE MODE")
            with pytest.raises(DBAPIError, match="lock timeout"):
                await migrate(empty)
        await reader.close()
        await migrate(empty)
