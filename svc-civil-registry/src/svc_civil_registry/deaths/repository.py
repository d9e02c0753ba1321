"""All SQL on deaths."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Text, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.deaths.models import deaths

_HOLD = text(
    "SELECT pg_advisory_xact_lock(key) FROM"
    " (SELECT DISTINCT hashtextextended(number, 5) AS key FROM unnest(:numbers) AS number"
    "  ORDER BY key) AS keys"
).bindparams(bindparam("numbers", type_=ARRAY(Text)))
"""Locks are taken in one order, so that nobody waits in a circle."""


async def hold(session: AsyncSession, numbers: Sequence[str]) -> None:
    """Keep others from the deaths of these numbers until the transaction ends, be there any or not."""
    await session.execute(_HOLD, {"numbers": list(numbers)})


async def deaths_of(session: AsyncSession, numbers: Sequence[str]) -> list[UUID]:
    """Return the records of deaths that name one of these numbers and stand, the oldest first."""
    found = select(deaths.c.record_id).where(
        deaths.c.personal_id.in_(numbers), deaths.c.cancelled_at.is_(None)
    )
    return list(await session.scalars(found.order_by(deaths.c.record_id)))


async def insert_death(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Add a death; False when one of the same person is there, or is being added by another transaction."""
    statement = insert(deaths).values(values).on_conflict_do_nothing()
    return (await session.execute(statement.returning(deaths.c.record_id))).first() is not None


async def find_death(session: AsyncSession, death_id: UUID) -> Row[Any] | None:
    return (await session.execute(select(deaths).where(deaths.c.record_id == death_id))).first()


async def cancel_death(session: AsyncSession, death_id: UUID) -> datetime:
    """Let a death be nobody's any more; return when."""
    statement = (
        update(deaths)
        .where(deaths.c.record_id == death_id)
        .values(cancelled_at=func.clock_timestamp())
        .returning(deaths.c.cancelled_at)
    )
    cancelled_at: datetime = (await session.execute(statement)).scalar_one()
    return cancelled_at
