"""All SQL about runs of the search beside what runs of every kind have in common."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.vocabulary import OPEN_STATES, RunState

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


async def open_run(session: AsyncSession) -> DedupeRun | None:
    """Return the run that has not ended, held until the end of the transaction."""
    statement = select(DedupeRun).where(DedupeRun.state.in_(OPEN_STATES)).with_for_update()
    return await session.scalar(statement)


async def run(session: AsyncSession, run_id: UUID) -> DedupeRun:
    """Return a run, held until the end of the transaction."""
    statement = select(DedupeRun).where(DedupeRun.id == run_id).with_for_update()
    return (await session.scalars(statement)).one()


async def state(session: AsyncSession, run_id: UUID) -> RunState:
    return RunState((await session.scalars(select(DedupeRun.state).where(DedupeRun.id == run_id))).one())


async def oldest_left(session: AsyncSession) -> datetime | None:
    """Return when the first run ended whose work files may still be on the disk; None when none are."""
    ended = DedupeRun.state.not_in(OPEN_STATES) & DedupeRun.started_at.is_not(None)
    return await session.scalar(
        select(func.min(DedupeRun.finished_at)).where(ended, DedupeRun.erased_at.is_(None))
    )


async def erased(session: AsyncSession) -> None:
    """Say of all runs that ended that nothing of them is on the disk: they had one folder."""
    await session.execute(
        update(DedupeRun)
        .where(DedupeRun.state.not_in(OPEN_STATES), DedupeRun.erased_at.is_(None))
        .values(erased_at=func.clock_timestamp())
    )
