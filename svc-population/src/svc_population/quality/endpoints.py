"""HTTP door of quality: rules and indicators for agencies, and the people behind them for who may see."""

from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import ReadingDep, SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_contracts.agreements import AgencyCode, CommuneCode, ProvinceCode

from svc_population.quality import indicators, people, service
from svc_population.quality.schemas import FaultyPersonsOut, QualityIndicatorsOut, RulesOut
from svc_population.quality.vocabulary import Dimension

router = APIRouter(prefix="/population/v1/quality", tags=["quality"])
_PEOPLE = operation(personal_data=True, field_groups=people.GROUPS, cost=5)


@router.get("/rules", openapi_extra=operation())
async def list_quality_rules(session: ReadingDep, _grant: GrantDep) -> RulesOut:
    """List the rules that are counted, with words, sources and the agencies that can mend it."""
    return await service.rules(session)


@router.get("/indicators", openapi_extra=operation(cost=5))
async def get_quality_indicators(
    *,
    session: ReadingDep,
    grant: GrantDep,
    level: indicators.Level = "PROVINCE",
    province_code: ProvinceCode | None = None,
    commune_code: CommuneCode | None = None,
    dimension: Dimension | None = None,
    agency: Annotated[AgencyCode | None, Query(description="Only what this agency is a source of.")] = None,
) -> QualityIndicatorsOut:
    """Give the exact indicators of this moment by unit: each rule's numbers, and each dimension's."""
    return await indicators.of_units(
        session,
        grant=grant,
        level=level,
        province_code=province_code,
        commune_code=commune_code,
        dimension=dimension,
        agency=agency,
    )


@router.get("/faulty-persons", openapi_extra=_PEOPLE, dependencies=[NO_STORE])
async def list_faulty_persons(
    *,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    rule: Annotated[str, Query(pattern=r"^[a-z][a-z0-9-]{2,59}$")],
    commune_code: CommuneCode,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of a page.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    runtime: RuntimeDep,
) -> FaultyPersonsOut:
    """List the people of a commune who break a rule; each one shown is recorded."""
    return await people.faulty_persons(
        session,
        runtime,
        caller=caller,
        grant=grant,
        rule_code=rule,
        commune_code=commune_code,
        cursor=cursor,
        limit=limit,
    )
