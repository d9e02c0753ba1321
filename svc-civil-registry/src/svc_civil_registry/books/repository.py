"""All SQL on register books."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.books.models import register_counters, register_entries


async def take_next_number(
    session: AsyncSession, *, office: str, book: str, year: int, record_id: UUID
) -> int:
    """Count one further and enter the record under that number, in one statement."""
    counted = (
        upsert(register_counters)
        .values(office=office, book=book, year=year, last_number=1)
        .on_conflict_do_update(
            index_elements=[register_counters.c.office, register_counters.c.book, register_counters.c.year],
            set_={"last_number": register_counters.c.last_number + 1},
        )
        .returning(register_counters.c.last_number)
        .cte("counted")
    )
    entry = insert(register_entries).from_select(
        ["office", "book", "year", "number", "record_id"],
        select(literal(office), literal(book), literal(year), counted.c.last_number, literal(record_id)),
    )
    number: int = (await session.execute(entry.returning(register_entries.c.number))).scalar_one()
    return number


async def find_entry(session: AsyncSession, record_id: UUID) -> Row[Any] | None:
    """Return where a record stands in the books."""
    statement = select(register_entries).where(register_entries.c.record_id == record_id)
    return (await session.execute(statement)).first()
