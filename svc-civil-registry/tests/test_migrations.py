"""A migration that died in the middle is run again."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from ndx_chassis.migrations import upgrade
from ndx_testing import postgres

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def empty(postgres_url: str) -> AsyncIterator[str]:
    url = await postgres.make_empty(postgres_url)
    yield url
    await postgres.drop(postgres_url, url)


async def migrate(url: str, revision: str = "head") -> None:
    target = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    await asyncio.to_thread(upgrade, "svc_civil_registry", target, revision=revision)


class TestCancelledDeaths:
    async def test_what_a_dead_run_left_is_done_again_and_whole(self, empty: str) -> None:
        await migrate(empty, "0003")
        connection = await asyncpg.connect(empty)
        try:
            # As a run leaves it that was killed while it built the index: the version is not stamped yet.
            await connection.execute("ALTER TABLE deaths ADD COLUMN cancelled_at timestamptz")
            await connection.execute(
                "CREATE UNIQUE INDEX uq_deaths_standing ON deaths (personal_id) WHERE cancelled_at IS NULL"
            )
            await connection.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'uq_deaths_standing'::regclass"
            )
            await migrate(empty)
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_deaths_standing'::regclass"
            assert await connection.fetchval(valid) is True
            checked = "SELECT convalidated FROM pg_constraint WHERE conname = 'ck_records_status_known'"
            assert await connection.fetchval(checked) is True
            former = "SELECT count(*) FROM pg_constraint WHERE conname = 'uq_deaths_personal_id'"
            assert await connection.fetchval(former) == 0
        finally:
            await connection.close()
