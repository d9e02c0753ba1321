"""Gives each registered record its number in the office's book of the year."""

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.books import repository
from svc_civil_registry.books.schemas import RegisterNumber
from svc_civil_registry.events.vocabulary import RecordKind


async def enter(
    session: AsyncSession, *, office: str, book: RecordKind, day: date, record_id: UUID
) -> RegisterNumber:
    """Enter a record. Call it last in a transaction: it locks the book's counter until the commit."""
    number = await repository.take_next_number(
        session, office=office, book=book.value, year=day.year, record_id=record_id
    )
    return _shown(office, book, day.year, number)


async def find(session: AsyncSession, record_id: UUID) -> RegisterNumber | None:
    """Return the number of a registered record."""
    row = await repository.find_entry(session, record_id)
    if row is None:
        return None
    return _shown(row.office, RecordKind(row.book), row.year, row.number)


def _shown(office: str, book: RecordKind, year: int, number: int) -> RegisterNumber:
    return RegisterNumber(office=office, book=book, year=year, number=number, text=f"{number}/{year}")
