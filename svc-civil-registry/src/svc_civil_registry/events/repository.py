"""All SQL on records and actions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.events.models import actions, records


async def insert_record(session: AsyncSession, values: dict[str, Any]) -> datetime:
    """Add a record; the database's clock says when."""
    now = func.clock_timestamp()
    statement = insert(records).values(**values, created_at=now, updated_at=now)
    created_at: datetime = (await session.execute(statement.returning(records.c.created_at))).scalar_one()
    return created_at


async def insert_actions(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Add actions in one statement."""
    await session.execute(insert(actions), list(rows))


async def find_record(session: AsyncSession, record_id: UUID, *, for_update: bool) -> Row[Any] | None:
    """Return the record's row; locked when it is about to change."""
    statement = select(records).where(records.c.id == record_id)
    if for_update:
        statement = statement.with_for_update()
    return (await session.execute(statement)).first()


async def list_actions(session: AsyncSession, record_id: UUID) -> Sequence[Row[Any]]:
    """Return the actions in their order. A statement of its own: it must see what a lock waited for."""
    statement = select(actions).where(actions.c.record_id == record_id).order_by(actions.c.sequence)
    return (await session.execute(statement)).all()


async def update_record(session: AsyncSession, record_id: UUID, values: dict[str, Any]) -> None:
    """Keep the derived columns in step with the actions."""
    await session.execute(
        update(records).where(records.c.id == record_id).values(**values, updated_at=func.clock_timestamp())
    )
