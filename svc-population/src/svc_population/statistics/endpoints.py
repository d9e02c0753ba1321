"""HTTP door of statistics: counts for agencies, exact ones for the register's operators; no personal data."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.db import ReadingDep, SessionDep
from ndx_contracts.agreements import ProvinceCode

from svc_population.operators.endpoints import OwnerDep
from svc_population.statistics import service
from svc_population.statistics.places import Level
from svc_population.statistics.schemas import PopulationCountsOut, PopulationMovementsOut

router = APIRouter(prefix="/population/v1/statistics", tags=["statistics"])
_COUNTS = operation(cost=5)
On = Annotated[date | None, Query(description="The day of the counts; today.")]
UnitsOn = Annotated[date | None, Query(description="The day of the list of units; today.")]


@router.get("/population", openapi_extra=_COUNTS)
async def get_population_counts(
    *,
    session: ReadingDep,
    runtime: RuntimeDep,
    _grant: GrantDep,
    level: Level = "PROVINCE",
    province_code: ProvinceCode | None = None,
    on: On = None,
    units_on: UnitsOn = None,
) -> PopulationCountsOut:
    """Count living people by unit, sex and age group, on a day, in the units of that or another day."""
    return await service.population_counts(
        session, runtime, level=level, province_code=province_code, on=on, units_on=units_on
    )


@router.get("/population/exact", openapi_extra=operation(door="operator"))
async def get_exact_population_counts(
    *,
    session: SessionDep,
    operator: OwnerDep,
    level: Level = "PROVINCE",
    province_code: ProvinceCode | None = None,
    on: On = None,
    units_on: UnitsOn = None,
) -> PopulationCountsOut:
    """Count as `get_population_counts` does, unrounded: for operators of the register's owner, on record."""
    return await service.exact_population_counts(
        session, operator, level=level, province_code=province_code, on=on, units_on=units_on
    )


@router.get("/movements/exact", openapi_extra=operation(door="operator"))
async def get_exact_population_movements(
    *,
    session: SessionDep,
    operator: OwnerDep,
    since: Annotated[date, Query(description="The first day, by the day of recording.")],
    until: Annotated[date | None, Query(description="The last day; today.")] = None,
    level: Level = "PROVINCE",
    province_code: ProvinceCode | None = None,
) -> PopulationMovementsOut:
    """Count births, first entries, deaths and moves of some days: for operators of the register's owner."""
    return await service.exact_population_movements(
        session, operator, level=level, province_code=province_code, since=since, until=until
    )
