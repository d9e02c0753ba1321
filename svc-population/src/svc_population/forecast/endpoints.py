"""HTTP door of the forecast: coming years for planners, no personal data."""

from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.db import ReadingDep
from ndx_contracts.agreements import ProvinceCode

from svc_population.forecast import service
from svc_population.forecast.schemas import ForecastOut

router = APIRouter(prefix="/population/v1/statistics", tags=["statistics"])


@router.get("/forecast", openapi_extra=operation(cost=5))
async def get_population_forecast(
    session: ReadingDep,
    runtime: RuntimeDep,
    _grant: GrantDep,
    province_code: ProvinceCode | None = None,
    years: Annotated[int, Query(ge=1, le=service.LONGEST_YEARS)] = 10,
) -> ForecastOut:
    """Carry today's count forward by births, deaths and migration, up to 25 years."""
    return await service.population_forecast(session, runtime, province_code=province_code, years=years)
