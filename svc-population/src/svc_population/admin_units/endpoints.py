"""HTTP door of administrative units: reference data for every agency, no personal data."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from ndx_chassis.app import operation
from ndx_chassis.caller import KNOWN_CALLER
from ndx_chassis.db import SessionDep
from ndx_contracts.agreements import ProvinceCode

from svc_population.admin_units import service
from svc_population.admin_units.schemas import AdminUnitsOut, SuccessorsOut

router = APIRouter(prefix="/population/v1", tags=["admin-units"], dependencies=[KNOWN_CALLER])
_REFERENCE = operation(door="agency_metadata")
Day = Annotated[date | None, Query(description="The list of this day; today when left out.")]


@router.get("/provinces", openapi_extra=_REFERENCE)
async def list_provinces(session: SessionDep, valid_on: Day = None) -> AdminUnitsOut:
    return await service.provinces(session, day=valid_on)


@router.get("/provinces/{province_code}/communes", openapi_extra=_REFERENCE)
async def list_communes(
    province_code: ProvinceCode, session: SessionDep, valid_on: Day = None
) -> AdminUnitsOut:
    return await service.communes(session, province_code=province_code, day=valid_on)


@router.get("/admin-units/{level}/{code}/successors", openapi_extra=_REFERENCE)
async def list_admin_unit_successors(
    level: Literal["provinces", "districts", "communes"],
    code: Annotated[str, Path(pattern=r"^[0-9]{2,5}$")],
    session: SessionDep,
) -> SuccessorsOut:
    return await service.successors(session, level=level[:-1].upper(), code=code)
