"""All SQL about deaths as the civil registry registered them: kept by registration, never by person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons.models import registered_deaths as table

_c = table.c


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered death: under which number, and the source that a version which rests on it names."""

    death_id: UUID
    personal_id: str
    died_on: date
    source: str


async def keep(session: AsyncSession, death: Registered) -> bool:
    """Keep a death; False when it was told before, be it by its cancellation."""
    statement = insert(table).values(
        death_id=death.death_id,
        personal_id=death.personal_id,
        died_on=death.died_on,
        source=death.source,
    )
    kept = await session.execute(statement.on_conflict_do_nothing().returning(_c.death_id))
    return kept.first() is not None


async def cancel(session: AsyncSession, death: Registered) -> bool:
    """Let a death be nobody's any more, heard of or not; False when it was so before."""
    await keep(session, death)
    statement = (
        update(table)
        .where(_c.death_id == death.death_id, _c.cancelled_at.is_(None))
        .values(cancelled_at=func.clock_timestamp())
        .returning(_c.death_id)
    )
    return (await session.execute(statement)).first() is not None


async def standing(session: AsyncSession, numbers: Sequence[str]) -> list[Registered]:
    """Return the deaths of these numbers that stand, the first told first."""
    statement = select(_c.death_id, _c.personal_id, _c.died_on, _c.source).where(
        _c.personal_id.in_(numbers), _c.cancelled_at.is_(None)
    )
    return [Registered(*row) for row in await session.execute(statement.order_by(_c.told_at, _c.death_id))]


async def known(session: AsyncSession, numbers: Sequence[str], source: str) -> bool:
    """Tell whether a source is a death that was registered for one of these numbers."""
    statement = select(_c.death_id).where(_c.personal_id.in_(numbers), _c.source == source)
    return (await session.execute(statement.limit(1))).first() is not None


async def hold(session: AsyncSession, person_id: UUID) -> None:
    """Let what hangs on a person's death happen one after the other until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('death:' || CAST(:person AS text), 0))"),
        {"person": str(person_id)},
    )
