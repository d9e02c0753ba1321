"""SQL of the loads' own rows: which of them run, which were interrupted, and which load takes one up."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from svc_population.imports.errors import ImportRefused

_NAMESPACE = "ndx-population-import:"
# A load holds its lock as long as its connection lives; so whoever gets the lock knows that it lives no more.
_LOCK = f"pg_advisory_lock(hashtextextended('{_NAMESPACE}' || $1::text, 0))"
_DEAD = f"""
    WITH running AS MATERIALIZED (SELECT id FROM imports WHERE state = 'RUNNING')
    UPDATE imports SET state = 'INTERRUPTED' FROM running
    WHERE imports.id = running.id AND state = 'RUNNING'
        AND pg_try_advisory_xact_lock(hashtextextended('{_NAMESPACE}' || running.id::text, 0))
"""  # noqa: S608 - a constant
_OPEN = """
    INSERT INTO imports (id, source, state, fingerprint, takes_up)
    SELECT $1, $2::text, 'RUNNING', $3::text, (
        SELECT id FROM imports i WHERE source = $2::text AND fingerprint = $3::text
            AND state IN ('INTERRUPTED', 'FAILED')
            AND NOT EXISTS (
                SELECT 1 FROM imports later WHERE later.source = i.source AND later.state = 'FINISHED'
                    AND later.fingerprint = i.fingerprint AND later.id > i.id
            )
        ORDER BY id DESC LIMIT 1
    )
"""
COLUMNS = (
    *("id", "source", "state", "lines", "inserted", "existing", "rejected", "wrong_structure"),
    *("started_at", "progressed_at", "finished_at", "takes_up"),
)
_RUNS = f"SELECT {', '.join(COLUMNS)} FROM imports ORDER BY id DESC LIMIT $1"  # noqa: S608 - constants


async def open_import(connection: asyncpg.Connection, source: str, fingerprint: str) -> UUID:
    """Record the start of a load, which lasts as long as this connection; look after those that ended."""
    await connection.execute(_DEAD)
    import_id: UUID = await connection.fetchval("SELECT uuidv7()")
    async with connection.transaction():
        await connection.execute(f"SELECT {_LOCK}", str(import_id))
        await connection.execute(_OPEN, import_id, source, fingerprint)
    return import_id


async def close_import(connection: asyncpg.Connection, import_id: UUID, state: str) -> asyncpg.Record:
    """Record the end of a load and return its counts."""
    row = await connection.fetchrow(
        "UPDATE imports SET state = $2, finished_at = clock_timestamp() WHERE id = $1"
        " RETURNING lines, inserted, existing, rejected, wrong_structure, takes_up",
        import_id,
        state,
    )
    if row is None:
        raise ImportRefused("the load's own row is gone")
    return row


async def latest(connection: asyncpg.Connection, most: int) -> Sequence[asyncpg.Record]:
    """Return the latest loads, those first that began last; one whose process is gone is INTERRUPTED."""
    await connection.execute(_DEAD)
    rows: list[asyncpg.Record] = await connection.fetch(_RUNS, most)
    return rows
