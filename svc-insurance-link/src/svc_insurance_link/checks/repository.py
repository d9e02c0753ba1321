"""All SQL about checks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.checks.models import EntitlementCheck

_LOCK_NOT_AVAILABLE = "55P03"
_WAIT_AT_MOST = text("SELECT set_config('lock_timeout', :wait, true)")
LONGEST_WAIT = "2s"
"""So long a check waits for others of its agency, with a connection that the other agencies need, too."""


@dataclass(frozen=True, slots=True)
class WrongChecks:
    """How often an agency guessed wrong lately about one key, and about how many keys it was wrong."""

    about_key: int
    keys: int
    knows_key: bool
    """One of these is the key asked for now."""


async def count_one_by_one(session: AsyncSession, agency: str) -> bool:
    """Let an agency's checks wait for each other until the transaction ends; False: it took too long.

    Then the transaction has failed.
    """
    await session.execute(_WAIT_AT_MOST, {"wait": LONGEST_WAIT})
    try:
        await session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"checks:{agency}", 0)))
        )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    await session.execute(_WAIT_AT_MOST, {"wait": "0"})
    return True


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
    # Both limits bound what there is to count: repeats about a number that nobody holds are not noted.
    same = EntitlementCheck.asked_key == asked_key
    row = (
        await session.execute(
            select(
                func.count().filter(same, EntitlementCheck.result_code.in_(guesses)),
                func.count(EntitlementCheck.asked_key.distinct()),
                func.count().filter(same),
            ).where(
                EntitlementCheck.agency == agency,
                EntitlementCheck.wrong,
                EntitlementCheck.occurred_at >= since,
            )
        )
    ).one()
    return WrongChecks(about_key=row[0], keys=row[1], knows_key=row[2] > 0)


async def add(session: AsyncSession, check: EntitlementCheck) -> None:
    session.add(check)
    await session.flush()
