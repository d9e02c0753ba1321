"""All SQL that runs of every kind have in common."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.operator_runs.models import OperatorRun

Run = TypeVar("Run", bound=OperatorRun)


async def add(session: AsyncSession, run: OperatorRun) -> bool:
    """Store a run; False when another one of its kind has not ended."""
    try:
        async with session.begin_nested():
            session.add(run)
            await session.flush()
    except IntegrityError:
        return False
    return True


async def find(session: AsyncSession, kind: type[Run], run_id: UUID, *, lock: bool = False) -> Run | None:
    statement = select(kind).where(kind.id == run_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def latest(session: AsyncSession, kind: type[Run], *, before: UUID | None, limit: int) -> Sequence[Run]:
    """Return runs, the newest first."""
    statement = select(kind)
    if before is not None:
        statement = statement.where(kind.id < before)
    return (await session.scalars(statement.order_by(kind.id.desc()).limit(limit))).all()
