"""All SQL about kept days."""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast

from sqlalchemy import Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.quality_days.models import QualityDay

_days = cast("Table", QualityDay.__table__)
_NEW = insert(_days)
_KEEP = _NEW.on_conflict_do_update(
    index_elements=["level", "code", "day"],
    set_={
        name: _NEW.excluded[name]
        for name in ("generation", "kept_at", "persons", "living", "faultless", "rules")
    },
)


async def keep(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows of a day in place of those there are."""
    if rows:
        now = await session.scalar(select(func.clock_timestamp()))
        await session.execute(_KEEP, [{**row, "kept_at": now} for row in rows])


async def days(
    session: AsyncSession, *, level: str, code: str, since: date, until: date
) -> Sequence[QualityDay]:
    """Return a unit's days, the oldest first."""
    statement = select(QualityDay).where(
        QualityDay.level == level, QualityDay.code == code, QualityDay.day.between(since, until)
    )
    return (await session.scalars(statement.order_by(QualityDay.day))).all()
