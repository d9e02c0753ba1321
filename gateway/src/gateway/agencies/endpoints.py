"""HTTP door: agencies and their systems."""

from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.app import operation
from ndx_chassis.caller import KNOWN_CALLER
from ndx_chassis.db import SessionDep

from gateway.agencies import service
from gateway.agencies.schemas import (
    AgencyIn,
    AgencyOut,
    AgencyPage,
    EnrolmentOut,
    OpenEnrolmentList,
    ReasonIn,
    SystemIn,
)
from gateway.doors import OperatorDep

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


@router.post("", status_code=201, openapi_extra=operation(door="operator", changes="ANNOUNCED"))
async def register_agency(body: AgencyIn, session: SessionDep, operator: OperatorDep) -> AgencyOut:
    return await service.register_agency(session, operator, wanted=body)


@router.get("", openapi_extra=operation(door="agency_metadata"), dependencies=[KNOWN_CALLER])
async def list_agencies(
    session: SessionDep,
    cursor: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> AgencyPage:
    return await service.page_of_agencies(session, cursor=cursor, limit=limit)


@router.post("/{agency}/systems", status_code=201, openapi_extra=operation(door="operator"))
async def register_system(
    agency: str, body: SystemIn, session: SessionDep, operator: OperatorDep
) -> EnrolmentOut:
    return await service.add_system(session, operator, agency=agency, code=body.code, renew=False)


@router.post(
    "/{agency}/systems/{system}/enrolment-codes", status_code=201, openapi_extra=operation(door="operator")
)
async def renew_enrolment_code(
    agency: str, system: str, session: SessionDep, operator: OperatorDep
) -> EnrolmentOut:
    return await service.add_system(session, operator, agency=agency, code=system, renew=True)


@router.get("/open-enrolments", openapi_extra=operation(door="operator"))
async def list_open_enrolments(session: SessionDep, operator: OperatorDep) -> OpenEnrolmentList:
    del operator  # any operator may look; the codes themselves are not shown
    return await service.open_enrolments(session)


@router.post("/{agency}/suspend", openapi_extra=operation(door="operator", changes="ANNOUNCED"))
async def suspend_agency(
    agency: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> AgencyOut:
    return await service.suspend_agency(session, operator, code=agency, reason=body.reason)


@router.post("/{agency}/reactivate", openapi_extra=operation(door="operator", changes="ANNOUNCED"))
async def reactivate_agency(
    agency: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> AgencyOut:
    return await service.reactivate_agency(session, operator, code=agency, reason=body.reason)
