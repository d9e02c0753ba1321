"""All SQL of match jobs: the jobs and their parts, the people of a slice, and what a slice leaves."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from ndx_chassis.ids import new_id
from sqlalchemy import Row, Table, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.match_jobs.models import MatchJob, batch_rows, match_job_mismatches, match_job_parts
from svc_population.persons.search_keys import COMMUNE, PROVINCE

_jobs = cast("Table", MatchJob.__table__)
_OPEN = ("UPLOADING", "QUEUED", "RUNNING")

# Lists go over as one text with an item per line, cut apart here: thousands of items cost a driver more than
# the database. An empty item is NULL; of an empty text unnest makes NULLs, as many as the longest list has.
_LINES = "string_to_array(CAST(:{} AS text), E'\\n', '')"

# Whoever is plainly the one does not come back: the line says nothing else than the register, its number is
# that of today, and nobody guessed about them; capitals make no difference. A LATERAL row
# per line, so the database visits one partition; its LIMIT keeps the planner from joining the whole table.
_PEOPLE = text(f"""
SELECT q.n, p.personal_id, coalesce(g.wrong, 0) AS wrong, p.sex, p.legacy_id_number,
    CASE WHEN upper(p.name COLLATE pg_c_utf8) <> upper(q.name COLLATE pg_c_utf8) THEN p.name END AS name,
    CASE WHEN p.birth_date IS DISTINCT FROM q.born THEN p.birth_date END AS birth_date
FROM unnest({_LINES.format("numbers")}, {_LINES.format("names")}, CAST({_LINES.format("born")} AS date[]),
        {_LINES.format("sexes")}, {_LINES.format("legacies")})
    WITH ORDINALITY AS q(number, name, born, sex, legacy, n)
LEFT JOIN LATERAL (
    SELECT f.superseded_by FROM former_personal_ids f WHERE f.personal_id = q.number LIMIT 1
) former ON true
LEFT JOIN LATERAL (
    SELECT personal_id, sex, legacy_id_number, birth_date,
        coalesce(surname || ' ', '') || coalesce(middle_name || ' ', '') || given_name AS name
    FROM persons x
    WHERE x.personal_id = coalesce(former.superseded_by, q.number)
        AND (NOT CAST(:scoped AS boolean) OR {PROVINCE} = ANY (CAST(:provinces AS text[]))
            OR {COMMUNE} = ANY (CAST(:communes AS text[])))
    LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    SELECT wrong FROM verification_guards v
    WHERE v.agency = :agency AND v.personal_id = p.personal_id AND v.window_ends_at > clock_timestamp()
    LIMIT 1
) g ON true
WHERE NOT coalesce(
    former.superseded_by IS NULL AND g.wrong IS NULL AND p.birth_date = q.born
    AND upper(p.name COLLATE pg_c_utf8) = upper(q.name COLLATE pg_c_utf8)
    AND (q.sex IS NULL OR p.sex IS NULL OR q.sex = p.sex)
    AND (q.legacy IS NULL OR p.legacy_id_number IS NULL OR q.legacy = p.legacy_id_number),
    false
)
""")  # noqa: S608 - constants; every value is a parameter
# Identifiers of one slice are one of version 7 that counts on (RFC 9562, 6.2): random bits for each line
# would cost a quarter of its record.
_DISCLOSE = text("""
INSERT INTO disclosures (id, agency, system, officer, case_id, purpose, agreement, agreement_version,
    operation, subjects, field_groups, outcome, request_id)
SELECT CAST(CAST(:first AS text) || lpad(to_hex(n), 5, '0') AS uuid), :agency, :system, :officer, :case_id,
    :purpose, :agreement, :agreement_version, :operation, coalesce(string_to_array(s, ','), '{}'),
    CAST(:field_groups AS text[]), o, :request_id
FROM unnest(
    string_to_array(CAST(:subjects AS text), E'\\n'), string_to_array(CAST(:outcomes AS text), E'\\n')
) WITH ORDINALITY AS given(s, o, n)
""")
_ADD_ROWS = (
    insert(batch_rows)
    .values(rows=bindparam("more"))
    .on_conflict_do_update(
        index_elements=[batch_rows.c.agreement, batch_rows.c.agency, batch_rows.c.day],
        set_={"rows": batch_rows.c.rows + bindparam("more")},
    )
    .returning(batch_rows.c.rows)
)


async def add_job(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(insert(_jobs).values(**values))


async def job(session: AsyncSession, job_id: UUID, *, lock: bool = False) -> MatchJob | None:
    statement = select(MatchJob).where(MatchJob.id == job_id)
    return await session.scalar(
        (statement.with_for_update() if lock else statement).execution_options(populate_existing=True)
    )


async def change_job(session: AsyncSession, job_id: UUID, **values: Any) -> None:
    await session.execute(
        update(MatchJob).where(MatchJob.id == job_id).values(**values),
        execution_options={"synchronize_session": False},
    )


async def open_jobs(session: AsyncSession, agency: str) -> int:
    found = select(func.count()).where(MatchJob.agency == agency, MatchJob.state.in_(_OPEN))
    return int((await session.execute(found)).scalar_one())


async def serialise(session: AsyncSession, agency: str) -> None:
    """Let an agency's new jobs come one after another, until each transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 21))"), {"key": f"match-jobs:{agency}"}
    )


async def jobs_to_work(session: AsyncSession) -> list[UUID]:
    """Return jobs that can go on, oldest first."""
    found = select(MatchJob.id).where(MatchJob.state.in_(("QUEUED", "RUNNING")), MatchJob.erased_at.is_(None))
    return list(await session.scalars(found.order_by(MatchJob.created_at)))


async def expired(session: AsyncSession) -> list[UUID]:
    due = (MatchJob.erased_at.is_(None)) & (MatchJob.expires_at <= func.clock_timestamp())
    return list(await session.scalars(select(MatchJob.id).where(due)))


async def ended(session: AsyncSession) -> list[UUID]:
    """Return jobs that have ended and whose result is still kept."""
    found = select(MatchJob.id).where(MatchJob.erased_at.is_(None), MatchJob.ended_at.is_not(None))
    return list(await session.scalars(found))


async def parts(session: AsyncSession, job_id: UUID) -> Sequence[Row[Any]]:
    found = select(match_job_parts).where(match_job_parts.c.job_id == job_id)
    return (await session.execute(found.order_by(match_job_parts.c.number))).all()


async def part(session: AsyncSession, job_id: UUID, number: int) -> Row[Any] | None:
    mine = (match_job_parts.c.job_id == job_id) & (match_job_parts.c.number == number)
    return (await session.execute(select(match_job_parts).where(mine))).first()


async def add_part(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(insert(match_job_parts).values(**values))


async def uploaded(session: AsyncSession, job_id: UUID) -> tuple[int, int, int, list[int]]:
    """Return how many parts there are, their bytes, the last number, and some that are missing below it."""
    mine = match_job_parts.c.job_id == job_id
    row = (
        await session.execute(
            select(
                func.count().label("parts"),
                func.coalesce(func.sum(match_job_parts.c.bytes), 0).label("bytes"),
                func.coalesce(func.max(match_job_parts.c.number), 0).label("last"),
            ).where(mine)
        )
    ).one()
    missing = await session.scalars(
        text(
            "SELECT n FROM generate_series(1, :last) n WHERE NOT EXISTS (SELECT FROM match_job_parts"
            " WHERE job_id = :job AND number = n) ORDER BY n LIMIT 100"
        ),
        {"last": row.last, "job": job_id},
    )
    return row.parts, int(row.bytes), row.last, list(missing)


async def people_of(session: AsyncSession, values: dict[str, Any]) -> Sequence[Row[Any]]:
    """Return a row by its place (from 1) for each line that is not plainly that of its number's person."""
    return (await session.execute(_PEOPLE, values)).all()


async def disclose_lines(session: AsyncSession, values: dict[str, Any]) -> None:
    """Write a record for each answered line: one in a line of `outcomes`, its numbers joined by commas."""
    await session.execute(_DISCLOSE, {**values, "first": str(new_id())[:-5]})


async def rows_seen(session: AsyncSession, agreement: str, agency: str, day: date) -> int:
    """Return the day's rows under an agreement as they are."""
    mine = {"agreement": agreement, "agency": agency, "day": day}
    found = select(batch_rows.c.rows).where(*(batch_rows.c[name] == value for name, value in mine.items()))
    return int(await session.scalar(found) or 0)


async def add_rows(session: AsyncSession, agreement: str, agency: str, day: date, more: int) -> int:
    """Add to the day's rows under an agreement, and keep others from it until the end; return all of them."""
    values = {"agreement": agreement, "agency": agency, "day": day, "more": more}
    return int((await session.execute(_ADD_ROWS, values)).scalar_one())


async def add_mismatches(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await session.execute(insert(match_job_mismatches), rows)


async def mismatches(session: AsyncSession, job_id: UUID, *, after: int, limit: int) -> Sequence[Row[Any]]:
    found = select(match_job_mismatches).where(
        match_job_mismatches.c.job_id == job_id, match_job_mismatches.c.line > after
    )
    return (await session.execute(found.order_by(match_job_mismatches.c.line).limit(limit))).all()


async def forget(session: AsyncSession, job_id: UUID, now: datetime) -> None:
    """Erase what a job held of people; its row stays with numbers only."""
    for table in (match_job_parts, match_job_mismatches):
        await session.execute(delete(table).where(table.c.job_id == job_id))
    await change_job(session, job_id, erased_at=now)
