"""All SQL about residences."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.residences.models import Residence, ResidenceFileCounter
from svc_population.residences.vocabulary import EndCause, ResidenceKind, ResidenceState

_NEWEST = (Residence.valid_from.desc(), Residence.id.desc())


async def of_person(
    session: AsyncSession, person_id: UUID, kinds: Sequence[ResidenceKind]
) -> Sequence[Residence]:
    """Return the registrations of these kinds, the newest first."""
    statement = select(Residence).where(Residence.person_id == person_id, Residence.kind.in_(kinds))
    return (await session.scalars(statement.order_by(*_NEWEST))).all()


async def running(session: AsyncSession, person_id: UUID, kind: ResidenceKind) -> Residence | None:
    return await session.scalar(
        select(Residence).where(
            Residence.person_id == person_id,
            Residence.kind == kind,
            Residence.state == ResidenceState.REGISTERED,
        )
    )


async def residence(session: AsyncSession, person_id: UUID, residence_id: UUID) -> Residence | None:
    return await session.scalar(
        select(Residence).where(Residence.id == residence_id, Residence.person_id == person_id)
    )


async def registered(session: AsyncSession, residence_id: UUID) -> Residence | None:
    return await session.scalar(select(Residence).where(Residence.id == residence_id))


async def last_day(session: AsyncSession, person_id: UUID, kind: ResidenceKind) -> date | None:
    """Return the last day of the ended registrations of a kind."""
    day: date | None = await session.scalar(
        select(func.max(Residence.valid_to)).where(
            Residence.person_id == person_id,
            Residence.kind == kind,
            Residence.state == ResidenceState.ENDED,
        )
    )
    return day


async def add(session: AsyncSession, row: Residence) -> None:
    session.add(row)
    await session.flush()


async def end(session: AsyncSession, residence_id: UUID, **values: Any) -> None:
    await session.execute(
        update(Residence)
        .where(Residence.id == residence_id)
        .values(**values, ended_at=text("clock_timestamp()")),
        execution_options={"synchronize_session": False},
    )


async def alter(session: AsyncSession, residence_id: UUID, values: dict[str, Any]) -> None:
    await session.execute(
        update(Residence).where(Residence.id == residence_id).values(**values),
        execution_options={"synchronize_session": False},
    )


async def next_file(session: AsyncSession, commune_code: str, year: int) -> int:
    """Take a commune's next number of a residence file."""
    statement = insert(ResidenceFileCounter).values(commune_code=commune_code, year=year, taken=1)
    number: int | None = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=[ResidenceFileCounter.commune_code, ResidenceFileCounter.year],
            set_={"taken": ResidenceFileCounter.taken + 1},
        ).returning(ResidenceFileCounter.taken)
    )
    return number or 1


async def close_all(session: AsyncSession, person_id: UUID, *, day: date, actor: str) -> Sequence[Row[Any]]:
    """End what runs on the day of a death; what began after it never was true."""
    statement = text(
        "UPDATE residences SET state = CASE WHEN valid_from > :day THEN 'REVOKED' ELSE 'ENDED' END,"
        " valid_to = CASE WHEN valid_from > :day THEN valid_to"
        " ELSE least(coalesce(valid_to, :day), :day) END,"
        " end_cause = 'DEATH', ended_by = :actor, ended_at = clock_timestamp()"
        " WHERE person_id = :person AND state = 'REGISTERED' RETURNING id, kind"
    )
    rows = await session.execute(statement, {"person": person_id, "day": day, "actor": actor})
    return rows.all()


async def ended_by_death(session: AsyncSession, person_id: UUID) -> Sequence[Residence]:
    """Return what a death ended for a person, what ended last first."""
    statement = select(Residence).where(
        Residence.person_id == person_id, Residence.end_cause == EndCause.DEATH
    )
    statement = statement.order_by(Residence.ended_at.desc(), *_NEWEST)
    return (await session.scalars(statement, execution_options={"populate_existing": True})).all()


async def expired(session: AsyncSession, *, day: date, limit: int) -> Sequence[Row[UUID, str]]:
    """Return running registrations whose last day is past, the oldest first."""
    statement = (
        select(Residence.id, Residence.personal_id)
        .where(Residence.state == ResidenceState.REGISTERED, Residence.valid_to < day)
        .order_by(Residence.valid_to)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


_HAND_OVER = text("""
WITH mine AS (SELECT id, state FROM residences
    WHERE person_id = :giver AND end_cause IS DISTINCT FROM 'CORRECTED' FOR UPDATE)
UPDATE residences r SET person_id = :taker,
    state = CASE WHEN mine.state = 'REGISTERED' THEN 'REVOKED' ELSE r.state END,
    end_cause = CASE WHEN mine.state = 'REGISTERED' THEN 'MERGED' ELSE r.end_cause END,
    ended_by = CASE WHEN mine.state = 'REGISTERED' THEN :actor ELSE r.ended_by END,
    ended_at = CASE WHEN mine.state = 'REGISTERED' THEN clock_timestamp() ELSE r.ended_at END
FROM mine WHERE r.id = mine.id RETURNING r.id, mine.state = 'REGISTERED' AS running
""")
_GIVE_BACK = text("""
UPDATE residences SET person_id = :taker,
    state = CASE WHEN id = ANY (CAST(:running AS uuid[])) THEN 'REGISTERED' ELSE state END,
    end_cause = CASE WHEN id = ANY (CAST(:running AS uuid[])) THEN NULL ELSE end_cause END,
    ended_by = CASE WHEN id = ANY (CAST(:running AS uuid[])) THEN NULL ELSE ended_by END,
    ended_at = CASE WHEN id = ANY (CAST(:running AS uuid[])) THEN NULL ELSE ended_at END
WHERE id = ANY (CAST(:rows AS uuid[])) AND person_id = :giver
""")


async def hand_over(session: AsyncSession, *, giver: UUID, taker: UUID, actor: str) -> Sequence[Row[Any]]:
    """Give a person all registrations of another record; what runs there is void. Return (id, running)."""
    values = {"giver": giver, "taker": taker, "actor": actor}
    return (await session.execute(_HAND_OVER, values)).all()


async def give_back(
    session: AsyncSession, *, giver: UUID, taker: UUID, rows: Sequence[UUID], running: Sequence[UUID]
) -> None:
    """Undo `hand_over`."""
    values = {"giver": giver, "taker": taker, "rows": list(rows), "running": list(running)}
    await session.execute(_GIVE_BACK, values)


async def corrected_among(session: AsyncSession, rows: Sequence[UUID]) -> bool:
    """Tell whether a correction has replaced one of these registrations."""
    statement = select(Residence.id).where(Residence.id.in_(rows), Residence.end_cause == EndCause.CORRECTED)
    return (await session.scalars(statement.limit(1))).first() is not None
