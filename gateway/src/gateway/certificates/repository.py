"""All SQL about certificates."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.certificates.models import REVOKED, Certificate


async def find(session: AsyncSession, serial: str, *, lock: bool = False) -> Certificate | None:
    return await session.get(Certificate, serial, with_for_update=lock)


async def newest(session: AsyncSession, agency: str | None, limit: int) -> Sequence[Certificate]:
    statement = select(Certificate).order_by(Certificate.not_before.desc(), Certificate.serial).limit(limit)
    if agency is not None:
        statement = statement.where(Certificate.agency == agency)
    return (await session.scalars(statement)).all()


async def revoked(session: AsyncSession) -> Sequence[Certificate]:
    """Return the revoked certificates that have not ended by themselves."""
    still_good = Certificate.not_after > datetime.now(UTC)
    statement = select(Certificate).where((Certificate.state == REVOKED) & still_good)
    return (await session.scalars(statement.order_by(Certificate.serial))).all()
