"""All SQL about the ledger."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ndx_chassis.tables import inbox
from ndx_contracts.disclosure import DisclosureRecord
from sqlalchemy import cast, delete, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.ledger.models import LedgerArrival, LedgerCheckpoint, LedgerEntry, LedgerNode

# Built once: building a statement costs more than running it.
_KEEP = upsert(LedgerArrival).values(received_at=func.clock_timestamp()).on_conflict_do_nothing()


async def keep_arrivals(session: AsyncSession, records: Sequence[DisclosureRecord]) -> None:
    """Keep records until they get positions; a second copy changes nothing."""
    await session.execute(
        _KEEP,
        [
            {
                "disclosure_id": record.id,
                "service": record.service,
                "record": record.model_dump(mode="json"),
            }
            for record in records
        ],
    )


async def arrivals(session: AsyncSession, limit: int) -> Sequence[LedgerArrival]:
    oldest = select(LedgerArrival).order_by(LedgerArrival.received_at, LedgerArrival.disclosure_id)
    return (await session.scalars(oldest.limit(limit))).all()


async def forget_arrivals(session: AsyncSession, ids: Sequence[UUID]) -> None:
    await session.execute(delete(LedgerArrival).where(LedgerArrival.disclosure_id.in_(ids)))


async def known(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that have a position."""
    statement = select(LedgerEntry.disclosure_id).where(LedgerEntry.disclosure_id.in_(ids))
    return set((await session.scalars(statement)).all())


async def append(
    session: AsyncSession, entries: Sequence[dict[str, Any]], nodes: Sequence[dict[str, Any]]
) -> None:
    await session.execute(insert(LedgerEntry), entries)
    if nodes:
        await session.execute(insert(LedgerNode), nodes)


async def latest_checkpoint(session: AsyncSession) -> LedgerCheckpoint | None:
    statement = select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1)
    return (await session.scalars(statement)).first()


async def find_entry(session: AsyncSession, disclosure_id: UUID) -> LedgerEntry | None:
    statement = select(LedgerEntry).where(LedgerEntry.disclosure_id == disclosure_id)
    return (await session.scalars(statement)).first()


async def hashes(session: AsyncSession, level: int, first: int, count: int) -> Sequence[bytes]:
    """Return neighbouring hashes of a level: leaf hashes on level 0, roots of full tiles above."""
    if level == 0:
        leaves = LedgerEntry.position.between(first, first + count - 1)
        leaf = select(LedgerEntry.leaf_hash).where(leaves).order_by(LedgerEntry.position)
        return (await session.scalars(leaf)).all()
    nodes = (LedgerNode.level == level) & LedgerNode.index.between(first, first + count - 1)
    return (await session.scalars(select(LedgerNode.hash).where(nodes).order_by(LedgerNode.index))).all()


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
