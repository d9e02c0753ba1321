"""Circles of parents in a bulk load: who would be their own ancestor is not loaded.

Years of birth stand in the numbers, and a parent is born in an earlier year than the child; so a circle holds
at least one line with a parent whose number says the same year or a later one. Such lines are set aside, and
so is whoever stands above an old relation of that kind in the register: whatever closes a circle is among
them. They are loaded last, one batch after the other, after a search upwards from each: the others, nearly
all, pay for the comparison of two numbers only.
"""

from collections.abc import Sequence

import asyncpg

from svc_population.imports.layout import COLUMNS
from svc_population.relationships.vocabulary import PARENT_NOT_OLDER, PARENTS_LOCK, year_in

BATCH = 50_000
_STAGED = ", ".join((*COLUMNS, "person_id", "sealed"))
_PARENTS = ("mother_personal_id", "father_personal_id")


DOUBTFUL = " OR ".join(
    (
        # One comparison for both: this is what every line pays.
        f"(greatest({', '.join(map(year_in, _PARENTS))}) >= {year_in('personal_id')}) IS TRUE",
        # What a former number's year says is not what the one of today says.
        *(
            f"EXISTS (SELECT 1 FROM former_personal_ids f WHERE f.personal_id = staged_persons.{parent})"  # noqa: S608 - a constant
            for parent in _PARENTS
        ),
        "personal_id IN (SELECT personal_id FROM awaited_ancestors)",
    )
)
"""Lines of `staged_persons` that can be what closes a circle."""
_PREPARE = f"""
    CREATE TEMPORARY TABLE set_aside AS SELECT {_STAGED}, 0 AS record, 0::bigint AS line
        FROM staged_persons WITH NO DATA;
    CREATE TEMPORARY TABLE staged_parents (
        child text COLLATE "C", parent text COLLATE "C", field text, line bigint
    ) ON COMMIT DELETE ROWS;
    CREATE INDEX ON staged_parents (child);
    CREATE TEMPORARY TABLE awaited_ancestors AS
        WITH RECURSIVE up AS (
            SELECT related_personal_id AS personal_id FROM relationships WHERE {PARENT_NOT_OLDER}
            UNION
            SELECT r.related_personal_id FROM up JOIN relationships r USING (personal_id)
            WHERE r.relation IN ('MOTHER', 'FATHER') AND r.related_personal_id IS NOT NULL
        )
        SELECT personal_id FROM up
        WHERE NOT EXISTS (SELECT 1 FROM persons p WHERE p.personal_id = up.personal_id);
    ANALYZE awaited_ancestors
"""  # noqa: S608 - names of columns are constants of the layout
_LINES = (
    "UPDATE set_aside s SET line = g.line FROM unnest($1::int[], $2::bigint[]) AS g (record, line)"
    " WHERE s.record = g.record AND s.line IS NULL"
)
_TAKE = f"""
    DELETE FROM set_aside WHERE ctid = ANY (ARRAY(SELECT ctid FROM set_aside ORDER BY line LIMIT $1))
    RETURNING {_STAGED}, line
"""  # noqa: S608 - names of columns are constants of the layout
_STAGE = f"WITH taken AS ({_TAKE}) INSERT INTO staged_persons ({_STAGED}, line) SELECT * FROM taken"  # noqa: S608 - the same
_EDGES = """
    INSERT INTO staged_parents (child, parent, field, line)
    SELECT s.personal_id, coalesce(f.superseded_by, r.parent), r.field, s.line
    FROM staged_persons s CROSS JOIN LATERAL (VALUES
        ('mother_personal_id', s.mother_personal_id), ('father_personal_id', s.father_personal_id)
    ) AS r (field, parent)
    LEFT JOIN former_personal_ids f ON f.personal_id = r.parent
    WHERE r.parent IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM persons p WHERE p.personal_id = s.personal_id)
        AND NOT EXISTS (SELECT 1 FROM former_personal_ids o WHERE o.personal_id = s.personal_id)
"""
_IN_CIRCLES = """
    WITH RECURSIVE up AS (
        SELECT child, field, line, parent AS at FROM staged_parents
        UNION
        SELECT up.child, up.field, up.line, above.at FROM up CROSS JOIN LATERAL (
            SELECT r.related_personal_id AS at FROM relationships r
            WHERE r.personal_id = up.at AND r.relation IN ('MOTHER', 'FATHER')
                AND r.related_personal_id IS NOT NULL
            UNION ALL
            SELECT s.parent FROM staged_parents s WHERE s.child = up.at
        ) AS above WHERE up.at <> up.child
    ), circles AS (SELECT line, min(field) AS field FROM up WHERE at = child GROUP BY line),
    gone AS (DELETE FROM staged_persons s USING circles c WHERE s.line = c.line)
    SELECT line, field FROM circles ORDER BY line
"""


async def prepare(connection: asyncpg.Connection) -> None:
    """Make this connection's temporary tables, beside the one of the lines."""
    await connection.execute(_PREPARE)


async def set_aside(connection: asyncpg.Connection, valid: str) -> list[int]:
    """Keep the doubtful ones of the staged lines that are `valid` for later; return which records."""
    statement = f"""
        INSERT INTO set_aside ({_STAGED}, record, line)
        SELECT {_STAGED}, n, NULL FROM (
            SELECT *, row_number() OVER (ORDER BY person_id) AS n, ({valid}) AS fits, ({DOUBTFUL}) AS doubtful
            FROM staged_persons
        ) numbered WHERE fits AND doubtful RETURNING record
    """  # noqa: S608 - names of columns are constants of the layout
    return sorted(row["record"] for row in await connection.fetch(statement))


async def note_lines(connection: asyncpg.Connection, lines: dict[int, int]) -> None:
    """Write down where in the file the records stand that were set aside last."""
    await connection.execute(_LINES, list(lines), list(lines.values()))


async def gather(connection: asyncpg.Connection, others: Sequence[asyncpg.Connection]) -> None:
    """Bring together what several connections have set aside."""
    for other in others:
        while rows := await other.fetch(_TAKE, BATCH):
            columns = (*COLUMNS, "person_id", "sealed", "line")
            await connection.copy_records_to_table(
                "set_aside", records=[tuple(row) for row in rows], columns=columns
            )


async def stage(connection: asyncpg.Connection) -> list[tuple[int, str]]:
    """Stage a batch of the lines that were set aside, without those that would close a circle.

    Returns:
        Line and column of those. Nobody else changes parents until the transaction ends.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", PARENTS_LOCK)
    await connection.execute(_STAGE, BATCH)
    await connection.execute(_EDGES)
    return [(row["line"], row["field"]) for row in await connection.fetch(_IN_CIRCLES)]


async def left(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("SELECT EXISTS (SELECT 1 FROM set_aside)"))
