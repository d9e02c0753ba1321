"""HTTP door of administrative units: reference data for every agency, no personal data."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from ndx_chassis.app import operation
from ndx_chassis.caller import KNOWN_CALLER
from ndx_chassis.db import ReadingDep
from ndx_contracts.agreements import ProvinceCode

from svc_population.admin_units import service
from svc_population.admin_units.schemas import (
    AdminUnitDetailOut,
    AdminUnitsOut,
    PredecessorsOut,
    SuccessorsOut,
    TranslationsIn,
    TranslationsOut,
)

router = APIRouter(prefix="/population/v1", tags=["admin-units"], dependencies=[KNOWN_CALLER])
_REFERENCE = operation(door="agency_metadata")
_ASKED = operation(door="agency_metadata", changes="NOTHING")
Day = Annotated[date | None, Query(description="The list of this day; today when left out.")]
Levels = Literal["provinces", "districts", "communes"]
Code = Annotated[str, Path(pattern=r"^[0-9]{2,5}$")]


@router.get("/provinces", openapi_extra=_REFERENCE)
async def list_provinces(session: ReadingDep, on: Day = None) -> AdminUnitsOut:
    return await service.provinces(session, day=on)


@router.get("/provinces/{province_code}/districts", openapi_extra=_REFERENCE)
async def list_districts(province_code: ProvinceCode, session: ReadingDep, on: Day = None) -> AdminUnitsOut:
    """List the districts of a province; there are none since 1 July 2025."""
    return await service.districts(session, province_code=province_code, day=on)


@router.get("/provinces/{province_code}/communes", openapi_extra=_REFERENCE)
async def list_communes(province_code: ProvinceCode, session: ReadingDep, on: Day = None) -> AdminUnitsOut:
    return await service.communes(session, province_code=province_code, day=on)


@router.get("/admin-units/{level}/{code}", openapi_extra=_REFERENCE)
async def get_admin_unit(
    level: Levels, code: Code, session: ReadingDep, on: Day = None
) -> AdminUnitDetailOut:
    """Read a unit as it was on a day, with the units above it and the other periods of its code."""
    return await service.detail(session, level=level[:-1].upper(), code=code, day=on)


@router.get("/admin-units/{level}/{code}/successors", openapi_extra=_REFERENCE)
async def list_admin_unit_successors(level: Levels, code: Code) -> SuccessorsOut:
    """Tell what a unit of the former lists became, step by step; where no list tells, it says so."""
    return service.successors(level=level[:-1].upper(), code=code)


@router.get("/admin-units/{level}/{code}/predecessors", openapi_extra=_REFERENCE)
async def list_admin_unit_predecessors(level: Levels, code: Code) -> PredecessorsOut:
    """Tell which former units a unit of today was made of."""
    return service.predecessors(level=level[:-1].upper(), code=code)


@router.post("/admin-unit-translations", openapi_extra=_ASKED)
async def translate_admin_units(body: TranslationsIn) -> TranslationsOut:
    """Say what units of one day are on another day, up to 1,000 at once, forwards and backwards."""
    return service.translations(body)
