"""HTTP door of statistics: counts for agencies, no personal data."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import operation
from ndx_chassis.db import ReadingDep
from ndx_contracts.agreements import ProvinceCode

from svc_population.statistics import service
from svc_population.statistics.schemas import PopulationCountsOut

router = APIRouter(prefix="/population/v1/statistics", tags=["statistics"])
_COUNTS = operation(cost=5)


@router.get("/population", openapi_extra=_COUNTS)
async def get_population_counts(
    *,
    session: ReadingDep,
    _grant: GrantDep,
    level: service.Level = "PROVINCE",
    province_code: ProvinceCode | None = None,
    on: Annotated[date | None, Query(description="The day of the counts; today.")] = None,
    units_on: Annotated[date | None, Query(description="The day of the list of units; today.")] = None,
) -> PopulationCountsOut:
    """Count living people by unit, sex and age group, on a day, in the units of that or another day."""
    return await service.population_counts(
        session, level=level, province_code=province_code, on=on, units_on=units_on
    )
