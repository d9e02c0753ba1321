"""All SQL about calls."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.calls.lines import Call
from gateway.calls.models import CallHour, CallRow, CallSource, partition_of

Cursor = tuple[datetime, int]
_KEPT = upsert(CallHour)
_ADD = _KEPT.on_conflict_do_update(
    index_elements=["hour", "agency", "agreement", "operation", "outcome"],
    set_={
        name: getattr(CallHour, name) + getattr(_KEPT.excluded, name)
        for name in ("calls", "duration_ms", "bytes_in", "bytes_out")
    }
    | {"longest_ms": text("greatest(call_hours.longest_ms, excluded.longest_ms)")},
)
_CALLS = CallRow.metadata.tables[CallRow.__tablename__]
# Without a target: the index is each partition's own.
_KEEP = upsert(_CALLS).on_conflict_do_nothing().returning(_CALLS.c.line_digest)
_COLUMNS = tuple(Call.__dataclass_fields__)
_PARTITIONS = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'calls'::regclass ORDER BY c.relname"
)


async def source(session: AsyncSession, name: str) -> CallSource | None:
    """Return how far a log has been read; held until the transaction ends, also before it is begun."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"calls {name}", 0))))
    return await session.get(CallSource, name, with_for_update=True, populate_existing=True)


async def peek(session: AsyncSession, name: str) -> CallSource | None:
    """Return how far a log has been read, as of now."""
    return await session.get(CallSource, name)


async def move(session: AsyncSession, name: str, *, file_id: int, position: int, now: datetime) -> None:
    """Note how far it has been read."""
    values = {"file_id": file_id, "position": position, "read_at": now}
    statement = upsert(CallSource).values(name=name, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


async def partitions(session: AsyncSession) -> list[str]:
    return list((await session.scalars(_PARTITIONS)).all())


async def add_partition(session: AsyncSession, day: date) -> None:
    first = datetime.combine(day, time(), UTC)
    bounds = f"FROM ('{first.isoformat()}') TO ('{(first + timedelta(days=1)).isoformat()}')"
    made = f"CREATE TABLE IF NOT EXISTS {partition_of(day)} PARTITION OF calls FOR VALUES {bounds}"
    await session.execute(text(made))
    once = f"CREATE UNIQUE INDEX IF NOT EXISTS {partition_of(day)}_line ON {partition_of(day)}"
    await session.execute(text(f"{once} (at, line_digest)"))


_UNGUARDED = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'calls'::regclass AND NOT EXISTS (SELECT FROM pg_index x JOIN pg_class n "
    "ON n.oid = x.indexrelid WHERE x.indrelid = c.oid AND x.indisvalid AND n.relname = c.relname || '_line') "
    "ORDER BY c.relname DESC"
)
# Before digests were kept, a line that stands twice is known by all that it says.
_REMOVE_DOUBLED = """
    WITH doubled AS (
        SELECT at, id FROM (
            SELECT at, id, row_number() OVER (PARTITION BY at, line_digest ORDER BY id) AS place
            FROM {day} WHERE line_digest IS NOT NULL
        ) AS known WHERE place > 1
        UNION ALL
        SELECT at, id FROM {day} AS later WHERE line_digest IS NULL AND EXISTS (
            SELECT FROM {day} AS kept
            WHERE kept.at = later.at AND kept.request_id = later.request_id
              AND (kept.line_digest IS NOT NULL OR kept.id < later.id)
              AND to_jsonb(kept) - 'id' - 'line_digest' = to_jsonb(later) - 'id' - 'line_digest'
        )
    ), gone AS (
        DELETE FROM {day} AS d USING doubled WHERE d.at = doubled.at AND d.id = doubled.id RETURNING d.*
    ), sums AS (
        SELECT date_trunc('hour', at, 'UTC') AS hour, coalesce(agency, '') AS agency,
               coalesce(agreement, '') AS agreement, coalesce(operation, '') AS operation,
               CASE WHEN refusal IS NOT NULL THEN refusal WHEN status = 0 THEN 'CALLER-LEFT'
                    WHEN status >= 500 THEN 'PROVIDER-5XX' WHEN status >= 400 THEN 'PROVIDER-4XX' ELSE 'OK'
               END AS outcome,
               count(*) AS calls, sum(duration_ms) AS duration_ms,
               sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out
        FROM gone GROUP BY 1, 2, 3, 4, 5
    ), corrected AS (
        UPDATE call_hours AS h
        SET calls = h.calls - s.calls, duration_ms = h.duration_ms - s.duration_ms,
            bytes_in = h.bytes_in - s.bytes_in, bytes_out = h.bytes_out - s.bytes_out
        FROM sums AS s
        WHERE (h.hour, h.agency, h.agreement, h.operation, h.outcome)
            = (s.hour, s.agency, s.agreement, s.operation, s.outcome)
    )
    SELECT count(*) FROM gone
"""


async def unguarded(session: AsyncSession) -> list[str]:
    """Return the days that could keep a line twice, the newest first."""
    return list((await session.scalars(_UNGUARDED)).all())


async def guard(session: AsyncSession, name: str) -> int:
    """Let a day keep each line once from now on; return how many stood there once too often.

    Logs are read on when the transaction has ended; what is asked about calls is answered meanwhile.
    """
    await session.execute(text(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"))
    removed = await session.scalar(text(_REMOVE_DOUBLED.format(day=name)))
    await session.execute(text(f"CREATE UNIQUE INDEX IF NOT EXISTS {name}_line ON {name} (at, line_digest)"))
    return removed or 0


async def drop_partition(session: AsyncSession, name: str) -> None:
    await session.execute(text(f"DROP TABLE {name}"))


async def keep(session: AsyncSession, calls: Sequence[Call]) -> list[Call]:
    """Keep calls, each as a row, and return those that were not kept before."""
    rows = [{name: getattr(call, name) for name in _COLUMNS} for call in calls]
    fresh = set((await session.scalars(_KEEP, rows)).all())
    kept = []
    for call in calls:
        if call.line_digest in fresh:
            fresh.discard(call.line_digest)
            kept.append(call)
    return kept


async def add_hours(session: AsyncSession, hours: Sequence[Mapping[str, Any]]) -> None:
    """Add to the sums by hour."""
    await session.execute(_ADD, list(hours))


async def page(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    equal: Mapping[str, Any],
    statuses: tuple[int, int] | None,
    after: Cursor | None,
    limit: int,
) -> Sequence[CallRow]:
    """Return calls, the newest first."""
    where = [CallRow.at >= since, CallRow.at < until]
    for name, value in equal.items():
        column = getattr(CallRow, name)
        where.append(column.in_(value) if isinstance(value, list) else column == value)
    if statuses is not None:
        where.append(CallRow.status.between(*statuses))
    if after is not None:
        where.append(tuple_(CallRow.at, CallRow.id) < after)
    statement = select(CallRow).where(and_(*where)).order_by(CallRow.at.desc(), CallRow.id.desc())
    return (await session.scalars(statement.limit(limit))).all()


_HEALTH = text("""
    SELECT service, operation,
           count(*) FILTER (WHERE status BETWEEN 1 AND 399) AS good,
           count(*) FILTER (WHERE status NOT BETWEEN 1 AND 399) AS bad,
           count(*) FILTER (WHERE status >= 500) AS failures,
           max(at) FILTER (WHERE status BETWEEN 1 AND 399) AS last_good,
           max(at) FILTER (WHERE status NOT BETWEEN 1 AND 399) AS last_bad,
           ARRAY[min(duration_ms), avg(duration_ms), max(duration_ms), stddev_pop(duration_ms)]::float8[]
             AS durations,
           ARRAY[min(bytes_in), avg(bytes_in), max(bytes_in), stddev_pop(bytes_in)]::float8[] AS requests,
           ARRAY[min(bytes_out), avg(bytes_out), max(bytes_out), stddev_pop(bytes_out)]::float8[] AS responses
    FROM calls
    WHERE at >= :since AND operation IS NOT NULL
      AND (CAST(:agency AS text) IS NULL OR agency = :agency)
      AND (CAST(:services AS text[]) IS NULL OR service = ANY(CAST(:services AS text[])))
    GROUP BY service, operation
    ORDER BY service, operation
""")


async def health(
    session: AsyncSession, *, since: datetime, agency: str | None, services: Sequence[str] | None
) -> Sequence[Row[Any]]:
    """Return counts, last times and spreads (least, mean, most, deviation) of calls by operation."""
    given = {"since": since, "agency": agency, "services": services}
    return (await session.execute(_HEALTH, given)).all()


_UNITS = text("""
    WITH costs AS (
        SELECT * FROM unnest(CAST(:names AS text[]), CAST(:costs AS bigint[])) AS c (operation, cost)
    ), counted AS (
        SELECT agency, agreement, operation, outcome, calls FROM call_hours WHERE hour >= :since
        UNION ALL
        SELECT agency, agreement, operation, coalesce(refusal, 'OK'), -1 FROM calls WHERE at >= :before
    )
    SELECT agency, agreement, sum(calls * cost) AS units, sum(calls) AS calls
    FROM counted JOIN costs USING (operation)
    WHERE agreement <> '' AND outcome <> ALL(CAST(:uncounted AS text[]))
    GROUP BY agency, agreement
""")


async def units(
    session: AsyncSession,
    *,
    since: datetime,
    before: datetime,
    costs: Mapping[str, int],
    uncounted: Sequence[str],
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return by agency and agreement the units and calls from an hour until a moment, but some outcomes."""
    given = {
        "names": list(costs),
        "costs": list(costs.values()),
        "since": since,
        "before": before,
        "uncounted": list(uncounted),
    }
    found = await session.execute(_UNITS, given)
    return {(r.agency, r.agreement): (int(r.units), int(r.calls)) for r in found}


async def clear_hours(session: AsyncSession, before: datetime) -> None:
    await session.execute(delete(CallHour).where(CallHour.hour < before))
