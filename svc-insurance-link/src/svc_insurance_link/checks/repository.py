"""All SQL about checks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.checks.models import EntitlementCheck

LOOK_BACK = 2000
"""Wrong checks looked at: bounds the cost of a check. Who made as many has to wait, whatever they were about:
older guesses would be out of sight behind them."""


@dataclass(frozen=True, slots=True)
class WrongChecks:
    """How often an agency guessed wrong lately about one key, and about how many keys it was wrong."""

    about_key: int
    keys: int
    all: int


async def count_one_by_one(session: AsyncSession, agency: str) -> None:
    """Let an agency's checks wait for each other until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"checks:{agency}", 0))))


async def count_wrong(
    session: AsyncSession, *, agency: str, asked_key: str, guesses: Collection[str], since: datetime
) -> WrongChecks:
    """Count wrong checks; guesses about one key are counted one after another, even when sent at once.

    `guesses` are the result codes that tell something about whoever holds the key. Asking again and again for
    a number that nobody holds (yet) is one key, and no guess.
    """
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"check:{agency}:{asked_key}", 0)))
    )
    recent = (
        select(EntitlementCheck.asked_key, EntitlementCheck.result_code)
        .where(
            EntitlementCheck.agency == agency,
            EntitlementCheck.wrong,
            EntitlementCheck.occurred_at >= since,
        )
        .order_by(EntitlementCheck.occurred_at.desc())
        .limit(LOOK_BACK)
        .subquery()
    )
    row = (
        await session.execute(
            select(
                func.count().filter(recent.c.asked_key == asked_key, recent.c.result_code.in_(guesses)),
                func.count(recent.c.asked_key.distinct()),
                func.count(),
            ).select_from(recent)
        )
    ).one()
    return WrongChecks(about_key=row[0], keys=row[1], all=row[2])


async def add(session: AsyncSession, check: EntitlementCheck) -> None:
    session.add(check)
    await session.flush()
