"""All SQL about relationships."""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

import orjson
from ndx_chassis.last_writes import write_last
from sqlalchemy import Row, Table, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.relationships.models import Relationship
from svc_population.relationships.vocabulary import PARENTS_LOCK

_ANCESTOR = text(
    "WITH RECURSIVE up (personal_id, depth) AS ("
    ' SELECT CAST(:start AS text) COLLATE "C", 0'
    " UNION SELECT r.related_personal_id, up.depth + 1 FROM up"
    " JOIN relationships r ON r.personal_id = up.personal_id"
    " WHERE r.relation IN ('MOTHER', 'FATHER') AND r.related_personal_id IS NOT NULL AND up.depth < 20)"
    " SELECT 1 FROM up WHERE personal_id = :sought LIMIT 1"
)
_CHILDREN = text(
    "SELECT p.personal_id, p.birth_date, p.surname, p.middle_name, p.given_name, p.life_status, r.id"
    " FROM relationships r JOIN persons p ON p.personal_id = r.personal_id"
    " WHERE r.related_personal_id = :parent AND r.relation IN ('MOTHER', 'FATHER')"
    " ORDER BY p.birth_date, p.personal_id"
)

_relationships = cast("Table", Relationship.__table__)


def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Add relationships; they are written when the transaction commits."""
    write_last(session, _relationships, *rows)


async def is_ancestor(session: AsyncSession, *, of: str, sought: str) -> bool:
    """Tell whether `sought` is `of` or stands above them, up to 20 generations."""
    return (await session.execute(_ANCESTOR, {"start": of, "sought": sought})).first() is not None


async def children(session: AsyncSession, parent: str) -> Sequence[Row[Any]]:
    return (await session.execute(_CHILDREN, {"parent": parent})).all()


async def renumber(session: AsyncSession, old: str, new: str) -> None:
    for table in ("relationships", "relationship_history"):
        for column in ("personal_id", "related_personal_id"):
            await session.execute(
                text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old"),  # noqa: S608 - fixed names
                {"old": old, "new": new},
            )


_TABLES = ("relationships", "relationship_history")
_TOUCHING = {
    table: text(
        f"SELECT to_jsonb(r) FROM {table} r"  # noqa: S608 - fixed names
        " WHERE r.personal_id = :number OR r.related_personal_id = :number ORDER BY r.id"
    )
    for table in _TABLES
}
_BETWEEN = text(
    "SELECT 1 FROM relationships r WHERE (r.personal_id = :one AND r.related_personal_id = :other)"
    " OR (r.personal_id = :other AND r.related_personal_id = :one) LIMIT 1"
)
# What both have, such as a mother, stays as the survivor has it; the other's row is kept by whoever moves.
_DROP_DOUBLES = text(
    "DELETE FROM relationships r USING relationships s WHERE r.personal_id = :old AND s.personal_id = :new"
    " AND r.relation = s.relation AND r.ordinal = s.ordinal"
)
_REMOVE = {
    table: text(f"DELETE FROM {table} WHERE id = ANY (CAST(:ids AS uuid[]))")  # noqa: S608 - fixed names
    for table in _TABLES
}
_PUT_BACK = {
    table: text(
        f"INSERT INTO {table} SELECT * FROM"  # noqa: S608 - fixed names
        f" jsonb_populate_recordset(NULL::{table}, CAST(:kept AS jsonb)) ON CONFLICT DO NOTHING"
    )
    for table in _TABLES
}


async def touching(session: AsyncSession, number: str) -> dict[str, list[dict[str, Any]]]:
    """Return whole rows that name a person, of today and ended, by table."""
    return {
        table: list((await session.scalars(statement, {"number": number})).all())
        for table, statement in _TOUCHING.items()
    }


async def are_related(session: AsyncSession, one: str, other: str) -> bool:
    return (await session.execute(_BETWEEN, {"one": one, "other": other})).first() is not None


async def drop_doubles(session: AsyncSession, old: str, new: str) -> None:
    await session.execute(_DROP_DOUBLES, {"old": old, "new": new})


async def put_back(session: AsyncSession, table: str, kept: list[dict[str, Any]]) -> None:
    """Give rows of a table the values that they had."""
    await session.execute(_REMOVE[table], {"ids": [row["id"] for row in kept]})
    await session.execute(_PUT_BACK[table], {"kept": orjson.dumps(kept).decode()})


async def move_own(session: AsyncSession, old: str, new: str, relations: list[str]) -> None:
    """Let another person have these relatives."""
    await session.execute(
        text(
            "UPDATE relationships SET personal_id = :new WHERE personal_id = :old AND relation = ANY (:which)"
        ),
        {"old": old, "new": new, "which": relations},
    )


async def move_links(session: AsyncSession, old: str, new: str, holders: list[str]) -> int:
    """Let these people name another relative instead; return how many rows did."""
    moved = await session.execute(
        text(
            "UPDATE relationships SET related_personal_id = :new"
            " WHERE related_personal_id = :old AND personal_id = ANY (:holders) RETURNING id"
        ),
        {"old": old, "new": new, "holders": holders},
    )
    return len(moved.all())


# Filled with constants of this module only.
_SHOWN = (
    "SELECT r.id, r.personal_id, r.relation, r.related_personal_id, r.since, r.source, {ended},"
    " r.personal_id <> :number AS inverse, {other} AS other_personal_id,"
    " coalesce(nullif(concat_ws(' ', p.surname, p.middle_name, p.given_name), ''), r.related_name) AS name"
    " FROM {table} r LEFT JOIN persons p ON p.personal_id = {other}"
    " WHERE r.personal_id = :number OR (r.related_personal_id = :number AND r.relation <> 'SPOUSE')"
)
_OTHER = "CASE WHEN r.personal_id = :number THEN r.related_personal_id ELSE r.personal_id END"
_TODAY = text(
    _SHOWN.format(
        table="relationships",
        other=_OTHER,
        ended="CAST(NULL AS date) AS ended_on, CAST(NULL AS text) AS end_cause",
    )
)
_FORMER = text(_SHOWN.format(table="relationship_history", other=_OTHER, ended="r.ended_on, r.end_cause"))
# A marriage that an import brought may stand with one of the two only.
_SPOUSES = text(
    "SELECT r.id, r.personal_id, r.related_personal_id FROM relationships r WHERE r.relation = 'SPOUSE'"
    " AND (r.personal_id = ANY (:numbers) OR r.related_personal_id = ANY (:numbers))"
)
_END = text(
    "WITH ended AS (DELETE FROM relationships WHERE id = ANY (CAST(:ids AS uuid[])) RETURNING *)"
    " INSERT INTO relationship_history (id, personal_id, relation, related_personal_id, related_name,"
    " related_birth_year, related_nationality, source, recorded_at, since, ended_on, end_cause, end_source)"
    " SELECT id, personal_id, relation, related_personal_id, related_name, related_birth_year,"
    " related_nationality, source, recorded_at, since, :ended_on, :cause, :source FROM ended"
    " RETURNING personal_id, relation, related_personal_id"
)


async def shown(session: AsyncSession, number: str, *, former: bool) -> Sequence[Row[Any]]:
    """Return a person's relatives of today or former ones, each with their name of today."""
    return (await session.execute(_FORMER if former else _TODAY, {"number": number})).all()


async def spouses(session: AsyncSession, numbers: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the marriages in force of these people."""
    return (await session.execute(_SPOUSES, {"numbers": list(numbers)})).all()


async def end(
    session: AsyncSession, ids: Sequence[UUID], *, ended_on: date | None, cause: str, source: str
) -> Sequence[Row[Any]]:
    """Move relationships to the history."""
    values = {"ids": [str(i) for i in ids], "ended_on": ended_on, "cause": cause, "source": source}
    return (await session.execute(_END, values)).all()


# A marriage of two people with numbers stands with both, and ended for both on one day.
_RESUME_MARRIAGE = text(
    "WITH one AS (SELECT * FROM relationship_history WHERE id = :id AND relation = 'SPOUSE'),"
    " gone AS (DELETE FROM relationship_history h USING one WHERE h.id = one.id OR (h.relation = 'SPOUSE'"
    " AND h.personal_id = one.related_personal_id AND h.related_personal_id = one.personal_id"
    " AND h.ended_on = one.ended_on AND h.end_cause = one.end_cause) RETURNING h.*)"
    " INSERT INTO relationships (id, personal_id, relation, related_personal_id, related_name,"
    " related_birth_year, related_nationality, source, recorded_at, since)"
    " SELECT id, personal_id, relation, related_personal_id, related_name, related_birth_year,"
    " related_nationality, source, recorded_at, since FROM gone"
)


async def resume_marriage(session: AsyncSession, relationship_id: UUID) -> None:
    """Let a marriage that ended be one of today again, as it was."""
    await session.execute(_RESUME_MARRIAGE, {"id": relationship_id})


async def add_now(session: AsyncSession, row: dict[str, Any]) -> UUID | None:
    """Add a relationship at once; None when the place is taken."""
    statement = insert(_relationships).values(**row).on_conflict_do_nothing()
    found: UUID | None = await session.scalar(statement.returning(_relationships.c.id))
    return found


async def one_at_a_time(session: AsyncSession) -> None:
    """Let changes of parents wait for each other until the transaction ends: two could close a circle."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": PARENTS_LOCK})
