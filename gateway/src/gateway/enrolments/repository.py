"""All SQL about lists of agencies."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def one_at_a_time(session: AsyncSession) -> None:
    """Wait until no other list is being written: whoever repeats a lost request may overlap with it."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('enrolments', 0))"))
