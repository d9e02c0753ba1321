"""All SQL about administrative units."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Date, Row, bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.models import AdminUnit

# Communes before July 2025 belong to districts, and only these to a province.
_OF_PROVINCE = text(
    "SELECT c.* FROM admin_units c WHERE c.level = 'COMMUNE' AND c.valid_from <= :day"
    " AND (c.valid_to IS NULL OR c.valid_to >= :day)"
    " AND (c.parent_code = :province OR c.parent_code IN (SELECT d.code FROM admin_units d"
    " WHERE d.level = 'DISTRICT' AND d.parent_code = :province AND d.valid_from <= :day"
    " AND (d.valid_to IS NULL OR d.valid_to >= :day)))"
    " ORDER BY c.code"
)


def _valid(day: date | BindParameter[date]) -> ColumnElement[bool]:
    return (AdminUnit.valid_from <= day) & or_(AdminUnit.valid_to.is_(None), AdminUnit.valid_to >= day)


# Built once: building a statement costs more than running it.
_UNIT = select(AdminUnit).where(
    (AdminUnit.level == bindparam("level"))
    & (AdminUnit.code == bindparam("code"))
    & _valid(bindparam("day", type_=Date()))
)


async def units(session: AsyncSession, *, level: str, day: date) -> Sequence[AdminUnit]:
    statement = select(AdminUnit).where((AdminUnit.level == level) & _valid(day)).order_by(AdminUnit.code)
    return (await session.scalars(statement)).all()


async def unit(session: AsyncSession, *, level: str, code: str, day: date) -> AdminUnit | None:
    return await session.scalar(_UNIT, {"level": level, "code": code, "day": day})


async def communes_of(session: AsyncSession, *, province_code: str, day: date) -> Sequence[Row[Any]]:
    return (await session.execute(_OF_PROVINCE, {"province": province_code, "day": day})).all()


async def periods(session: AsyncSession, *, level: str, code: str) -> Sequence[AdminUnit]:
    """Return every period of a code, oldest first."""
    statement = select(AdminUnit).where(AdminUnit.level == level, AdminUnit.code == code)
    return (await session.scalars(statement.order_by(AdminUnit.valid_from))).all()
