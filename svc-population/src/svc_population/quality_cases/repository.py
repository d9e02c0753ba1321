"""All SQL about runs that open cases."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.quality_cases.models import QualityCaseRun
from svc_population.quality_cases.vocabulary import CaseRunState


async def add(session: AsyncSession, run: QualityCaseRun) -> bool:
    """Store a run; False when another one has not ended."""
    try:
        async with session.begin_nested():
            session.add(run)
            await session.flush()
    except IntegrityError:
        return False
    return True


async def find(session: AsyncSession, run_id: UUID, *, lock: bool = False) -> QualityCaseRun | None:
    statement = select(QualityCaseRun).where(QualityCaseRun.id == run_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def approved(session: AsyncSession) -> QualityCaseRun | None:
    """Return the run that is to be done, held until the end of the transaction."""
    statement = select(QualityCaseRun).where(QualityCaseRun.state == CaseRunState.APPROVED)
    return await session.scalar(statement.with_for_update())


async def latest(session: AsyncSession, *, before: UUID | None, limit: int) -> Sequence[QualityCaseRun]:
    """Return runs, the newest first."""
    statement = select(QualityCaseRun)
    if before is not None:
        statement = statement.where(QualityCaseRun.id < before)
    return (await session.scalars(statement.order_by(QualityCaseRun.id.desc()).limit(limit))).all()
