"""A transaction that was left open ends by itself: it would hide newer rows from every relay."""

import asyncio
import time

import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.db import make_engine
from ndx_chassis.problems import is_connection_trouble
from ndx_chassis.settings import ServiceSettings
from ndx_testing import postgres
from ndx_testing.envoy import until
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError

pytestmark = pytest.mark.integration

IDLE_SECONDS = 0.5
_XMIN = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_MINE = "SELECT pg_current_xact_id()::text::bigint"


async def test_a_forgotten_transaction_is_ended_and_hides_nothing_any_more(
    database_url: str, postgres_url: str
):
    # In another database of the same cluster: that hides rows all the same.
    other = await postgres.make_copy(postgres_url, "template1")
    settings = ServiceSettings(database_url=SecretStr(database_url), database_idle_seconds=IDLE_SECONDS)
    engine = make_engine(settings)
    watcher = make_engine(ServiceSettings(database_url=SecretStr(other)))
    try:
        async with watcher.connect() as looks:

            async def oldest() -> int:
                found: int = (await looks.execute(text(_XMIN))).scalar_one()
                await looks.commit()
                return found

            await oldest()
            async with engine.connect() as forgotten:
                mine: int = (await forgotten.execute(text(_MINE))).scalar_one()
                begun = time.monotonic()
                hidden = await oldest() <= mine
                # Where the machine stood still it may have been ended already.
                assert hidden or time.monotonic() - begun > IDLE_SECONDS

                async def shown() -> bool:
                    return await oldest() > mine

                await until(shown, what="that newer rows are seen")
                with pytest.raises((DBAPIError, InterfaceError)) as caught:
                    await forgotten.execute(text("SELECT 1"))
                # To its caller it is like a database that was away: the same call may be made again.
                assert is_connection_trouble(caught.value)
                await forgotten.invalidate()
        async with engine.connect() as next_one:
            assert (await next_one.execute(text("SELECT 1"))).scalar_one() == 1
            await next_one.commit()
            # Outside a transaction a connection may rest for as long as it likes.
            await asyncio.sleep(0.8)
            assert (await next_one.execute(text("SELECT 1"))).scalar_one() == 1
    finally:
        await engine.dispose()
        await watcher.dispose()
        await postgres.drop(postgres_url, other)


async def test_unless_set_otherwise_it_is_a_minute(runtime: Runtime):
    async with runtime.sessions() as session:
        found = await session.execute(text("SHOW idle_in_transaction_session_timeout"))
    assert found.scalar_one() == "1min"
