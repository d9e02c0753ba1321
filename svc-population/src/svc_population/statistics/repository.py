"""All SQL about counts."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

# One statement, so that what a job folds meanwhile is seen on one side only.
_COUNTS = text(
    "SELECT commune_code, sex, birth_year, sum(n)::int AS n FROM ("
    " SELECT commune_code, sex, birth_year, n FROM population_counts"
    " UNION ALL SELECT commune_code, sex, birth_year, n FROM population_deltas"
    " UNION ALL SELECT commune_code, sex, birth_year, -n FROM population_days WHERE day > :day"
    " UNION ALL SELECT commune_code, sex, birth_year, -n FROM population_deltas WHERE day > :day"
    ") AS parts WHERE CAST(:communes AS text[]) IS NULL OR commune_code = ANY (CAST(:communes AS text[]))"
    " GROUP BY commune_code, sex, birth_year HAVING sum(n) <> 0"
)
_FOLD = text(
    "WITH gone AS (DELETE FROM population_deltas WHERE id IN"
    " (SELECT id FROM population_deltas ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING *),"
    " today AS (INSERT INTO population_counts (commune_code, sex, birth_year, n)"
    "  SELECT commune_code, sex, birth_year, sum(n) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    "  ON CONFLICT (commune_code, sex, birth_year) DO UPDATE SET n = population_counts.n + excluded.n),"
    " days AS (INSERT INTO population_days (day, commune_code, sex, birth_year, n)"
    "  SELECT day, commune_code, sex, birth_year, sum(n) FROM gone GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    "  ON CONFLICT (day, commune_code, sex, birth_year) DO UPDATE SET n = population_days.n + excluded.n)"
    " SELECT count(*) FROM gone"
)
_FOLD_MOVEMENTS = text(
    "WITH gone AS (DELETE FROM movement_deltas WHERE id IN"
    " (SELECT id FROM movement_deltas ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING *),"
    " days AS (INSERT INTO population_movements (day, kind, across, commune_code, sex, n)"
    "  SELECT day, kind, across, commune_code, sex, sum(n) FROM gone"
    "  GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
    "  ON CONFLICT (day, kind, across, commune_code, sex)"
    "  DO UPDATE SET n = population_movements.n + excluded.n)"
    " SELECT count(*) FROM gone"
)
_MOVEMENTS = text(
    "SELECT kind, commune_code, sex, sum(n)::int AS n FROM ("
    " SELECT day, kind, across, commune_code, sex, n FROM population_movements"
    " UNION ALL SELECT day, kind, across, commune_code, sex, n FROM movement_deltas"
    ") AS parts WHERE day BETWEEN :since AND :until AND across = ANY (CAST(:across AS text[]))"
    " GROUP BY kind, commune_code, sex HAVING sum(n) <> 0"
)
_RECOUNT = text(
    "SELECT coalesce(permanent_commune_code, CASE WHEN birth_date >= DATE '2025-07-01'"
    " THEN birth_registration_commune_code END, '') AS commune_code, sex,"
    " date_part('year', birth_date)::int AS birth_year, count(*)::int AS n"
    " FROM persons WHERE life_status IN ('ALIVE', 'MISSING') GROUP BY 1, 2, 3"
)
_FIRST = text(
    "SELECT least((SELECT min(day) FROM population_days), (SELECT min(day) FROM population_deltas))"
)


async def counts(session: AsyncSession, *, day: date, communes: Sequence[str] | None) -> Sequence[Row[Any]]:
    """Return (commune, sex, birth year, number) on a day; all communes when none are named."""
    values = {"day": day, "communes": None if communes is None else list(communes)}
    return (await session.execute(_COUNTS, values)).all()


async def recount(session: AsyncSession) -> Sequence[Row[Any]]:
    """Count the persons' rows themselves: slow, and what the kept counts must equal."""
    return (await session.execute(_RECOUNT)).all()


async def fold(session: AsyncSession, *, limit: int) -> int:
    """Move deltas into the counts; return how many."""
    return int((await session.execute(_FOLD, {"limit": limit})).scalar_one())


async def fold_movements(session: AsyncSession, *, limit: int) -> int:
    """Move deltas of movements into the days; return how many."""
    return int((await session.execute(_FOLD_MOVEMENTS, {"limit": limit})).scalar_one())


async def movements(
    session: AsyncSession, *, since: date, until: date, across: Sequence[str]
) -> Sequence[Row[Any]]:
    """Return (kind, commune, sex, number) of some days, of moves those across some levels."""
    values = {"since": since, "until": until, "across": list(across)}
    return (await session.execute(_MOVEMENTS, values)).all()


async def first_day(session: AsyncSession) -> date | None:
    """Return the day on which counting began; none when nobody was ever counted."""
    day: date | None = await session.scalar(_FIRST)
    return day
