"""All SQL on records and actions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ndx_chassis.last_writes import write_last
from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.events.models import actions, records

# Statements are built once: building them, and finding their compiled form, costs more than running them.
_NOW = func.clock_timestamp()
_INSERT_RECORD = insert(records).values(created_at=_NOW, updated_at=_NOW).returning(records.c.created_at)
_FIND_RECORD = select(records).where(records.c.id == bindparam("record_id"))
_LOCK_RECORD = _FIND_RECORD.with_for_update()
_LIST_ACTIONS = (
    select(actions).where(actions.c.record_id == bindparam("record_id")).order_by(actions.c.sequence)
)
_UPDATE_RECORD = (
    update(records)
    .where(records.c.id == bindparam("record_id"))
    .values(
        status=bindparam("new_status"),
        flags=bindparam("new_flags"),
        version=bindparam("new_version"),
        updated_at=_NOW,
    )
)


async def insert_record(session: AsyncSession, values: dict[str, Any]) -> datetime:
    """Add a record; the database's clock says when."""
    created_at: datetime = (await session.execute(_INSERT_RECORD, values)).scalar_one()
    return created_at


def add_actions(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Add actions; they are written when the transaction commits."""
    write_last(session, actions, *rows)


async def find_record(session: AsyncSession, record_id: UUID, *, for_update: bool) -> Row[Any] | None:
    """Return the record's row; locked when it is about to change."""
    statement = _LOCK_RECORD if for_update else _FIND_RECORD
    return (await session.execute(statement, {"record_id": record_id})).first()


async def list_actions(session: AsyncSession, record_id: UUID) -> Sequence[Row[Any]]:
    """Return the actions in their order. A statement of its own: it must see what a lock waited for."""
    return (await session.execute(_LIST_ACTIONS, {"record_id": record_id})).all()


async def update_record(
    session: AsyncSession, record_id: UUID, *, status: str, flags: Sequence[str], version: int
) -> None:
    """Keep the derived columns in step with the actions."""
    values = {"new_status": status, "new_flags": list(flags), "new_version": version}
    await session.execute(_UPDATE_RECORD, {"record_id": record_id, **values})
