"""All SQL about runs that open cases beside what runs of every kind have in common."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.quality_cases.models import QualityCaseRun
from svc_population.quality_cases.vocabulary import CaseRunState


async def approved(session: AsyncSession) -> QualityCaseRun | None:
    """Return the run that is to be done, held until the end of the transaction."""
    statement = select(QualityCaseRun).where(QualityCaseRun.state == CaseRunState.APPROVED)
    return await session.scalar(statement.with_for_update())
