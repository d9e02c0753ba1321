"""All SQL about runs of the search."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from uuid import UUID

import asyncpg
from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.vocabulary import RunState

_ONE_AT_A_TIME = "SELECT pg_try_advisory_lock(hashtext('ndx-population-dedupe'))"


@asynccontextmanager
async def alone(dsn: str) -> AsyncIterator[None]:
    """Hold the lock of the search on a connection of its own: it falls with the process, however that ends.

    Raises:
        DedupeRefused: another run holds it.
    """
    connection = await asyncpg.connect(dsn)
    try:
        if not await connection.fetchval(_ONE_AT_A_TIME):
            raise DedupeRefused("another search for duplicates is running")
        yield
    finally:
        await connection.close()


async def interrupt_others(session: AsyncSession) -> int:
    """Say of runs whose process is gone that they were interrupted; return how many."""
    done = await session.execute(
        update(DedupeRun)
        .where(DedupeRun.state == RunState.RUNNING)
        .values(state=RunState.INTERRUPTED.value, finished_at=func.clock_timestamp())
    )
    return cast("CursorResult[tuple[object]]", done).rowcount


async def add(session: AsyncSession, run: DedupeRun) -> None:
    session.add(run)
    await session.flush()


async def run(session: AsyncSession, run_id: UUID) -> DedupeRun:
    """Return a run, held until the end of the transaction."""
    statement = select(DedupeRun).where(DedupeRun.id == run_id).with_for_update()
    return (await session.scalars(statement)).one()
