"""HTTP door of quality over time: series for agencies, no personal data."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import operation
from ndx_chassis.db import ReadingDep
from ndx_contracts.agreements import CommuneCode, ProvinceCode

from svc_population.quality.vocabulary import Dimension
from svc_population.quality_days import service
from svc_population.quality_days.schemas import QualitySeriesOut

router = APIRouter(prefix="/population/v1/quality", tags=["quality"])


@router.get("/series", openapi_extra=operation(cost=2))
async def get_quality_series(
    *,
    session: ReadingDep,
    grant: GrantDep,
    province_code: ProvinceCode | None = None,
    commune_code: CommuneCode | None = None,
    dimension: Dimension | None = None,
    rule: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9-]{2,59}$")] = None,
    since: Annotated[date | None, Query(description="First day; 90 days in all when left out.")] = None,
    until: Annotated[date | None, Query(description="Last day; today.")] = None,
) -> QualitySeriesOut:
    """Give how indicators of the country, a province or a commune moved, day by day."""
    return await service.series(
        session,
        grant=grant,
        province_code=province_code,
        commune_code=commune_code,
        dimension=dimension,
        rule=rule,
        since=since,
        until=until,
    )
