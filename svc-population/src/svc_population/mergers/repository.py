"""All SQL about mergers."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.mergers.models import Merger
from svc_population.mergers.vocabulary import MergerKind, MergerState


async def add(session: AsyncSession, merger: Merger) -> None:
    session.add(merger)
    await session.flush()
    await session.refresh(merger)


async def merger(session: AsyncSession, merger_id: UUID, *, lock: bool = False) -> Merger | None:
    statement = select(Merger).where(Merger.id == merger_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def latest_merge(session: AsyncSession, *, survivor: str, duplicate: str) -> Merger | None:
    """Return the last proposal to merge one number into another."""
    same = (Merger.personal_id == survivor) & (Merger.other_personal_id == duplicate)
    statement = select(Merger).where(same & (Merger.kind == MergerKind.MERGE))
    return await session.scalar(statement.order_by(Merger.id.desc()).limit(1))


async def kept_of(session: AsyncSession, personal_id: str) -> dict[str, Any] | None:
    """Return what was kept of a duplicate when it was merged, while the merger stands."""
    kept: dict[str, Any] | None = await session.scalar(
        select(Merger.kept).where(
            Merger.other_personal_id == personal_id,
            Merger.kind == MergerKind.MERGE,
            Merger.state == MergerState.DONE,
        )
    )
    return kept
