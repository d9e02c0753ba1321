"""All SQL on deaths."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.deaths.models import deaths


async def insert_death(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Add a death; False when one of the same person is there, or is being added by another transaction."""
    statement = insert(deaths).values(values).on_conflict_do_nothing(index_elements=[deaths.c.personal_id])
    return (await session.execute(statement.returning(deaths.c.record_id))).first() is not None


async def find_death(session: AsyncSession, death_id: UUID) -> Row[Any] | None:
    return (await session.execute(select(deaths).where(deaths.c.record_id == death_id))).first()
