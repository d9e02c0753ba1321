"""All SQL on register books."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.books.models import register_counters, register_entries

_counted = (
    upsert(register_counters)
    .values(
        office=bindparam("in_office"), book=bindparam("in_book"), year=bindparam("in_year"), last_number=1
    )
    .on_conflict_do_update(
        index_elements=[register_counters.c.office, register_counters.c.book, register_counters.c.year],
        set_={"last_number": register_counters.c.last_number + 1},
    )
    .returning(
        register_counters.c.office,
        register_counters.c.book,
        register_counters.c.year,
        register_counters.c.last_number,
    )
    .cte("counted")
)
_ENTER = (
    insert(register_entries)
    .from_select(
        ["office", "book", "year", "number", "record_id"],
        select(
            _counted.c.office,
            _counted.c.book,
            _counted.c.year,
            _counted.c.last_number,
            bindparam("record", type_=register_entries.c.record_id.type),
        ),
    )
    .returning(register_entries.c.number)
)
_FIND_ENTRY = select(register_entries).where(register_entries.c.record_id == bindparam("record"))


async def take_next_number(
    session: AsyncSession, *, office: str, book: str, year: int, record_id: UUID
) -> int:
    """Count one further and enter the record under that number, in one statement."""
    values = {"in_office": office, "in_book": book, "in_year": year, "record": record_id}
    number: int = (await session.execute(_ENTER, values)).scalar_one()
    return number


async def find_entry(session: AsyncSession, record_id: UUID) -> Row[Any] | None:
    """Return where a record stands in the books."""
    return (await session.execute(_FIND_ENTRY, {"record": record_id})).first()
