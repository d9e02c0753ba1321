"""All SQL about generations, their counts, and the people who break a rule."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.quality import conditions
from svc_population.quality.conditions import Generation
from svc_population.quality.models import QualityGeneration
from svc_population.quality.rules import Rule
from svc_population.quality.vocabulary import Dimension

COUNTING, LIVE = "COUNTING", "LIVE"
_UNITS = (
    "SELECT code, bool_or(listed) AS current, max(parent_code) FILTER (WHERE listed) AS province_code FROM ("
    "SELECT code, parent_code, valid_from <= :day AND (valid_to IS NULL OR valid_to >= :day) AS listed"
    " FROM admin_units WHERE level = 'COMMUNE') AS u GROUP BY code"
)
_UNITS_DIGEST = text(
    "SELECT md5(coalesce(string_agg(concat_ws(' ', code, current, province_code), ',' ORDER BY code), ''))"  # noqa: S608 - a constant of this file
    f" FROM ({_UNITS}) AS n"
)
_KEEP_UNITS = text(
    "INSERT INTO quality_units (generation, code, current, province_code)"  # noqa: S608 - the same
    f" SELECT :generation, code, current, province_code FROM ({_UNITS}) AS n"
)
_TABLES = ("quality_counts", "quality_deltas", "quality_units")
_END_OF_SLICE = text(
    "SELECT substr(personal_id, 1, 6) FROM persons WHERE personal_id >= :begin"
    " ORDER BY personal_id OFFSET :records LIMIT 1"
)
_FOLD = text(
    "WITH gone AS (DELETE FROM quality_deltas WHERE id IN ("
    " SELECT d.id FROM quality_deltas d JOIN quality_generations g ON g.id = d.generation"
    " WHERE g.state = 'LIVE' ORDER BY d.id LIMIT :limit FOR UPDATE OF d SKIP LOCKED) RETURNING *),"
    " kept AS (INSERT INTO quality_counts"
    "  (generation, province_code, commune_code, living, broken, dues, n)"
    "  SELECT generation, province_code, commune_code, living, broken, dues, sum(n) FROM gone"
    "  GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"
    "  ON CONFLICT (generation, province_code, commune_code, living, broken, dues)"
    "  DO UPDATE SET n = quality_counts.n + excluded.n)"
    " SELECT count(*) FROM gone"
)


async def generations(session: AsyncSession) -> Sequence[QualityGeneration]:
    """Return the generations there are, the oldest first: at most a live one and one being counted."""
    return (await session.scalars(select(QualityGeneration).order_by(QualityGeneration.id))).all()


async def live(session: AsyncSession) -> tuple[QualityGeneration | None, bool]:
    """Return the live generation, and whether another one is being counted."""
    found = await generations(session)
    return (
        next((g for g in found if g.state == LIVE), None),
        any(g.state == COUNTING for g in found),
    )


async def units_digest(session: AsyncSession, day: date) -> str:
    """Return a digest of the communes of a day and of those that were."""
    return str((await session.execute(_UNITS_DIGEST, {"day": day})).scalar_one())


async def one_at_a_time(session: AsyncSession) -> None:
    """Let whoever installs generations wait for each other until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('ndx-population-quality'))"))


async def stop_writers(session: AsyncSession) -> None:
    """Let those who write persons wait until the transaction ends: each one sees what it installs."""
    await session.execute(text("SET LOCAL lock_timeout = '4s'"))
    await session.execute(text("LOCK TABLE persons IN SHARE ROW EXCLUSIVE MODE"))


async def add(session: AsyncSession, generation: QualityGeneration) -> None:
    """Keep a generation and the communes of its day."""
    session.add(generation)
    await session.flush()
    await session.execute(_KEEP_UNITS, {"generation": generation.id, "day": generation.units_on})


async def install(session: AsyncSession, generations: Sequence[Generation]) -> None:
    """Let the triggers on persons measure for these generations."""
    connection = await session.connection()
    for statement in conditions.trigger_functions(generations):
        await connection.exec_driver_sql(statement)


async def drop(session: AsyncSession, generation: int) -> None:
    """Forget a generation; what a writer still notes for it is swept later."""
    for table in (*_TABLES, "quality_generations"):
        column = "id" if table == "quality_generations" else "generation"
        statement = f"DELETE FROM {table} WHERE {column} = :generation"  # noqa: S608 - tables of this file
        await session.execute(text(statement), {"generation": generation})


async def sweep(session: AsyncSession) -> None:
    """Take away what was noted for generations that are gone."""
    await session.execute(
        text("DELETE FROM quality_deltas WHERE generation NOT IN (SELECT id FROM quality_generations)")
    )


async def end_of_slice(session: AsyncSession, begin: str, *, records: int) -> str | None:
    """Return where a slice of about so many records ends; none when it is the last one."""
    found: str | None = await session.scalar(_END_OF_SLICE, {"begin": begin, "records": records})
    if found is None:
        return None
    return found if found > begin else conditions.next_slice(found)


async def count_slice(session: AsyncSession, generation: Generation, begin: str, end: str | None) -> None:
    """Count the records of a slice: they are counted right from here on, with what triggers note of them."""
    within = f" WHERE {conditions.between('personal_id', begin, end)}"
    rows = conditions.measured(generation, conditions.rows_of("persons", 1, within=within))
    number = generation.number
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    connection = await session.connection()
    # One statement has one snapshot: the notes it takes away are those of rows that it counts itself.
    await connection.exec_driver_sql(
        f"WITH gone AS (DELETE FROM quality_deltas WHERE generation = {number}"  # noqa: S608 - built of constants
        f" AND {conditions.between('slice', begin, end)})"
        " INSERT INTO quality_counts AS c (generation, province_code, commune_code, living, broken, dues, n)"
        f" SELECT {number}, m.* FROM ({rows}) m"
        " ON CONFLICT (generation, province_code, commune_code, living, broken, dues)"
        " DO UPDATE SET n = c.n + excluded.n"
    )


async def moment(session: AsyncSession) -> datetime:
    """Return the database's time."""
    found: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found


async def fold(session: AsyncSession, *, limit: int) -> int:
    """Move what triggers noted into the counts; return how many notes."""
    return int((await session.execute(_FOLD, {"limit": limit})).scalar_one())


async def kept(session: AsyncSession, generation: int) -> dict[tuple[Any, ...], int]:
    """Return the counts as they are kept, by everything that tells them apart."""
    rows = await session.execute(
        text(
            "SELECT province_code, commune_code, living, broken, dues, sum(n)::int AS n FROM ("  # noqa: S608 - constants
            f"{_kept_rows()}) AS parts GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0"
        ),
        {"generation": generation},
    )
    return _keyed(rows)


async def recounted(session: AsyncSession, generation: Generation) -> dict[tuple[Any, ...], int]:
    """Count the persons' rows themselves: slow, and what the kept counts must equal."""
    rows = conditions.measured(generation, conditions.rows_of("persons", 1))
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    found = await (await session.connection()).exec_driver_sql(rows)
    return _keyed(found)


def _keyed(rows: Iterable[Row[Any]]) -> dict[tuple[Any, ...], int]:
    return {
        (row.province_code, row.commune_code, row.living, row.broken, *row.dues): int(row.n) for row in rows
    }


def _kept_rows() -> str:
    columns = "province_code, commune_code, living, broken, dues, n"
    return " UNION ALL ".join(
        f"SELECT {columns} FROM {table} WHERE generation = :generation"  # noqa: S608 - tables of this file
        for table in ("quality_counts", "quality_deltas")
    )


async def indicators(
    session: AsyncSession,
    generation: Generation,
    *,
    level: str,
    day: date,
    provinces: Sequence[str] | None,
    communes: Sequence[str] | None,
) -> Sequence[Row[Any]]:
    """Return (unit, living, persons, numbers by rule, faultless numbers by dimension) of a day.

    `provinces`, `communes`: whom to count, all when both are None.
    """
    timed = [n for n, rule in enumerate(generation.rules) if rule.timed]
    due = "".join(
        f" | CASE WHEN dues[{place}] <= :day THEN {1 << n} ELSE 0 END"
        for place, n in enumerate(timed, start=1)
    )
    by_rule = ", ".join(f"sum(n) FILTER (WHERE b & {1 << n} <> 0)" for n in range(len(generation.rules)))
    faultless = ", ".join(
        f"sum(n) FILTER (WHERE b & {mask(generation.rules, dimension)} = 0)" for dimension in Dimension
    )
    unit = {"COUNTRY": "''", "PROVINCE": "province_code", "COMMUNE": "commune_code"}[level]
    where = (
        "WHERE (CAST(:provinces AS text[]) IS NULL AND CAST(:communes AS text[]) IS NULL)"
        " OR province_code = ANY (CAST(:provinces AS text[]))"
        " OR commune_code = ANY (CAST(:communes AS text[]))"
    )
    statement = (
        f"SELECT {unit} AS unit, living, sum(n)::int AS persons, ARRAY[{by_rule}]::int[] AS by_rule,"  # noqa: S608 - built of constants
        f" ARRAY[{faultless}]::int[] AS faultless"
        f" FROM (SELECT *, broken{due} AS b FROM ({_kept_rows()}) AS parts {where}) AS n"
        " GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2"
    )
    values = {"generation": generation.number, "provinces": provinces, "communes": communes}
    found = await session.execute(text(statement), {**values, **({"day": day} if timed else {})})
    return found.all()


def mask(rules: Sequence[Rule], dimension: Dimension) -> int:
    """Return the bits of a dimension's rules."""
    return sum(1 << n for n, rule in enumerate(rules) if rule.dimension is dimension)


async def people(
    session: AsyncSession,
    generation: Generation,
    rule: Rule,
    *,
    commune_code: str,
    provinces: Sequence[str] | None,
    day: date,
    after: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return the people of a commune who break a rule, with the columns that it looks at, by person id.

    `provinces`: only those whose row says one of these; None: all.
    """
    columns = dict.fromkeys(("person_id", "personal_id", *rule.columns))
    names = ", ".join(f"p.{c}" for c in columns)
    condition = conditions.faulty(generation, rule, day).replace(":", r"\:")
    place = conditions.COMMUNE_OF_ROW
    statement = (
        f"SELECT {names} FROM (SELECT *, {conditions.PROVINCE_OF_ROW} AS province FROM persons"  # noqa: S608 - built of constants
        f" WHERE {place} = :commune) p{conditions.units(generation.number, [rule])} WHERE {condition}"
        " AND (CAST(:provinces AS text[]) IS NULL OR p.province = ANY (CAST(:provinces AS text[])))"
        " AND (CAST(:after AS uuid) IS NULL OR p.person_id > :after) ORDER BY p.person_id LIMIT :limit"
    )
    values = {"commune": commune_code, "provinces": provinces, "after": after, "limit": limit}
    found = await session.execute(text(statement), values)
    return found.mappings().all()
