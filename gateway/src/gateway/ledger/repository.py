"""All SQL about the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from ndx_chassis.tables import inbox
from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, cast, func, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.ledger.merkle import Run
from gateway.ledger.models import LedgerArrival, LedgerCheckpoint, LedgerEntry, LedgerNode

# A record goes through Python as one text and from table to table not at all; built once, because building a
# statement costs more than running it.
_KEEP = text(
    "INSERT INTO ledger_arrivals (disclosure_id, service, record, received_at)"
    " SELECT disclosure_id, service, record::jsonb, clock_timestamp()"
    " FROM unnest(:ids, :services, :records) AS arrived(disclosure_id, service, record)"
    " ON CONFLICT DO NOTHING"
).bindparams(
    bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))),
    bindparam("services", type_=ARRAY(Text)),
    bindparam("records", type_=ARRAY(Text)),
)
_WAITING = text(
    "SELECT disclosure_id, record::text AS record FROM ledger_arrivals"
    " ORDER BY received_at, disclosure_id LIMIT :limit"
)
_KNOWN = text("SELECT disclosure_id FROM ledger_entries WHERE disclosure_id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True)))
)
_PLACE = text(
    "WITH gone AS (DELETE FROM ledger_arrivals WHERE disclosure_id = ANY(:ids)"
    " RETURNING disclosure_id, service, record, received_at)"
    " INSERT INTO ledger_entries"
    " (position, disclosure_id, service, leaf_hash, leaf, record, received_at)"
    " SELECT position, disclosure_id, service, leaf_hash, leaf, record, received_at"
    " FROM unnest(:placed, :positions, :hashes, :leaves)"
    " AS place(disclosure_id, position, leaf_hash, leaf) JOIN gone USING (disclosure_id)"
    " RETURNING position"
).bindparams(
    bindparam("ids", type_=ARRAY(PG_UUID(as_uuid=True))),
    bindparam("placed", type_=ARRAY(PG_UUID(as_uuid=True))),
    bindparam("positions", type_=ARRAY(BigInteger)),
    bindparam("hashes", type_=ARRAY(LargeBinary)),
    bindparam("leaves", type_=ARRAY(Text)),
)

# Short runs of neighbours, each by its key; the planner must not think of reading a whole table.
_HASHES = text(
    "SELECT run.n, found.hash FROM unnest(:levels, :firsts, :counts) WITH ORDINALITY"
    " AS run(level, first, count, n) CROSS JOIN LATERAL ("
    " SELECT position AS place, leaf_hash AS hash FROM ledger_entries"
    " WHERE run.level = 0 AND position >= run.first AND position < run.first + run.count"
    " UNION ALL SELECT index, hash FROM ledger_nodes"
    " WHERE run.level > 0 AND level = run.level AND index >= run.first AND index < run.first + run.count"
    ") AS found ORDER BY run.n, found.place"
).bindparams(
    bindparam("levels", type_=ARRAY(Integer)),
    bindparam("firsts", type_=ARRAY(BigInteger)),
    bindparam("counts", type_=ARRAY(BigInteger)),
)


class Arrived(NamedTuple):
    """A disclosure record that its model has found to be one, as JSON."""

    id: UUID
    service: str
    text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A record with its position in the tree, and what was hashed."""

    disclosure_id: UUID
    position: int
    leaf_hash: bytes
    leaf: str


async def keep_arrivals(session: AsyncSession, records: Sequence[Arrived]) -> None:
    """Keep records until they get positions; a second copy changes nothing."""
    await session.execute(
        _KEEP,
        {
            "ids": [record.id for record in records],
            "services": [record.service for record in records],
            "records": [record.text for record in records],
        },
    )


async def arrivals(session: AsyncSession, limit: int) -> list[tuple[UUID, str]]:
    """Return the oldest records that wait, as JSON text, with their ids."""
    rows = await session.execute(_WAITING, {"limit": limit})
    return [(row.disclosure_id, row.record) for row in rows]


async def known(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that have a position."""
    return set((await session.scalars(_KNOWN, {"ids": ids})).all())


async def place(
    session: AsyncSession,
    ids: Sequence[UUID],
    placed: Sequence[Placed],
    nodes: Sequence[dict[str, Any]],
) -> int:
    """Let arrivals go and give some of them their positions; return how many got theirs."""
    rows = await session.execute(
        _PLACE,
        {
            "ids": ids,
            "placed": [entry.disclosure_id for entry in placed],
            "positions": [entry.position for entry in placed],
            "hashes": [entry.leaf_hash for entry in placed],
            "leaves": [entry.leaf for entry in placed],
        },
    )
    if nodes:
        await session.execute(insert(LedgerNode), nodes)
    return len(rows.all())


async def latest_checkpoint(session: AsyncSession) -> LedgerCheckpoint | None:
    statement = select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1)
    return (await session.scalars(statement)).first()


async def find_entry(session: AsyncSession, disclosure_id: UUID) -> LedgerEntry | None:
    statement = select(LedgerEntry).where(LedgerEntry.disclosure_id == disclosure_id)
    return (await session.scalars(statement)).first()


async def hashes(session: AsyncSession, wanted: Sequence[Run]) -> list[list[bytes]]:
    """Return the hashes of runs: leaf hashes on level 0, roots of full tiles above."""
    found: list[list[bytes]] = [[] for _ in wanted]
    values = {
        "levels": [run.level for run in wanted],
        "firsts": [run.first for run in wanted],
        "counts": [run.count for run in wanted],
    }
    for row in await session.execute(_HASHES, values):
        found[row.n - 1].append(row.hash)
    return found


async def size_before(session: AsyncSession, moment: datetime) -> int:
    """Return how many entries the ledger had at a moment; only checkpoints after it are looked at."""
    statement = select(LedgerCheckpoint.size).where(LedgerCheckpoint.made_at < moment)
    return (await session.scalars(statement.order_by(LedgerCheckpoint.size.desc()).limit(1))).first() or 0


async def by_hour(session: AsyncSession, first: int, end: int) -> list[tuple[str, datetime, int]]:
    """Count the entries of a range of positions by service and hour of the disclosure."""
    occurred = cast(cast(LedgerEntry.leaf, JSONB)["occurred_at"].astext, TIMESTAMP(timezone=True))
    hour = func.date_trunc("hour", occurred, "UTC").label("hour")
    within = (LedgerEntry.position >= first) & (LedgerEntry.position < end)
    statement = (
        select(LedgerEntry.service, hour, func.count()).where(within).group_by(LedgerEntry.service, hour)
    )
    return [(service, at, number) for service, at, number in await session.execute(statement)]


async def counts(session: AsyncSession) -> dict[str, tuple[int, int, int]]:
    """Return for each service: entries, arrivals waiting, messages parked or given up."""
    number = func.count().label("number")
    entries = select(LedgerEntry.service, number).group_by(LedgerEntry.service)
    waiting = select(LedgerArrival.service, number).group_by(LedgerArrival.service)
    parked = (
        select(inbox.c.consumer, func.count())
        .where(inbox.c.consumer.like("ledger:%") & (inbox.c.state != "DONE"))
        .group_by(inbox.c.consumer)
    )
    placed = {row.service: row.number for row in await session.execute(entries)}
    held = {row.service: row.number for row in await session.execute(waiting)}
    back = {
        name.removeprefix("ledger:").removesuffix(".disclosure.v1"): count
        for name, count in await session.execute(parked)
    }
    return {
        service: (placed.get(service, 0), held.get(service, 0), back.get(service, 0))
        for service in sorted({*placed, *held, *back})
    }


async def oldest_arrival_seconds(session: AsyncSession) -> float:
    """Return for how long the oldest record has waited for its position, 0 when none does."""
    age = func.extract("epoch", func.clock_timestamp() - func.min(LedgerArrival.received_at))
    return float(await session.scalar(select(func.greatest(func.coalesce(age, 0), 0))) or 0)
