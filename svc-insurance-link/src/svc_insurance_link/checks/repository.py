"""All SQL about checks."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.checks.models import EntitlementCheck


@dataclass(frozen=True, slots=True)
class WrongChecks:
    """How often an agency was wrong lately, about one key and altogether."""

    about_key: int
    altogether: int


async def count_wrong(
    session: AsyncSession, *, agency: str, asked_key: str, since: datetime, at_most: int
) -> WrongChecks:
    """Count wrong checks; guesses about one key are counted one after another, even when sent at once."""
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"check:{agency}:{asked_key}", 0)))
    )
    recent = (
        select(EntitlementCheck.asked_key)
        .where(
            EntitlementCheck.agency == agency,
            EntitlementCheck.wrong,
            EntitlementCheck.occurred_at >= since,
        )
        .order_by(EntitlementCheck.occurred_at.desc())
        .limit(at_most)
        .subquery()
    )
    row = (
        await session.execute(
            select(func.count().filter(recent.c.asked_key == asked_key), func.count()).select_from(recent)
        )
    ).one()
    return WrongChecks(about_key=row[0], altogether=row[1])


async def add(session: AsyncSession, check: EntitlementCheck) -> None:
    session.add(check)
    await session.flush()
