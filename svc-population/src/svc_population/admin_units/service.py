"""Use cases of administrative units: lists of a day, and what an old unit became."""

from datetime import UTC, date, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import repository
from svc_population.admin_units.code_lists import BEFORE_RECORDS
from svc_population.admin_units.errors import AdminUnitNotFound
from svc_population.admin_units.schemas import AdminUnitOut, AdminUnitsOut, SuccessorOut, SuccessorsOut

PROVINCE, COMMUNE = "PROVINCE", "COMMUNE"
# Units change by migrations only, so what was found for a day holds as long as this process lives.
_province_of: dict[tuple[str, date], str | None] = {}
_MOST_KEPT = 20_000


def today() -> date:
    """Return the day in Viet Nam."""
    return datetime.now(UTC).astimezone(VIETNAM).date()


def _out(unit: Any) -> AdminUnitOut:
    return AdminUnitOut(
        code=unit.code,
        name=unit.name,
        type=unit.type,
        full_name=unit.full_name,
        valid_from=None if unit.valid_from == BEFORE_RECORDS else unit.valid_from,
        valid_to=unit.valid_to,
    )


async def provinces(session: AsyncSession, *, day: date | None) -> AdminUnitsOut:
    """Return the provinces of a day, today when none is given."""
    found = await repository.units(session, level=PROVINCE, day=day or today())
    return AdminUnitsOut(items=tuple(_out(u) for u in found))


async def communes(session: AsyncSession, *, province_code: str, day: date | None) -> AdminUnitsOut:
    """Return the communes of a province on a day.

    Raises:
        AdminUnitNotFound: the province did not exist then.
    """
    on = day or today()
    if await repository.unit(session, level=PROVINCE, code=province_code, day=on) is None:
        raise AdminUnitNotFound
    found = await repository.communes_of(session, province_code=province_code, day=on)
    return AdminUnitsOut(items=tuple(_out(u) for u in found))


async def successors(session: AsyncSession, *, level: str, code: str) -> SuccessorsOut:
    """Return the units of today that an old unit became.

    Raises:
        AdminUnitNotFound: the list of June 2025 has no such unit.
    """
    found = await repository.successors(session, level=level, code=code, day=today())
    if not found:
        raise AdminUnitNotFound
    return SuccessorsOut(
        items=tuple(
            SuccessorOut(
                code=row.new_code,
                full_name=row.full_name,
                relation=row.relation,
                is_default=row.is_default,
                effective_from=row.effective_from,
            )
            for row in found
        )
    )


async def is_commune_of(session: AsyncSession, code: str, *, province_code: str, day: date) -> bool:
    """Tell whether a commune exists on a day and lies in the province (units since July 2025)."""
    found = _province_of.get((code, day))
    if found is None:
        unit = await repository.unit(session, level=COMMUNE, code=code, day=day)
        if unit is None:
            return False
        if len(_province_of) >= _MOST_KEPT:
            _province_of.clear()
        found = _province_of[code, day] = unit.parent_code
    return found == province_code
