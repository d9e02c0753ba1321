"""HTTP door: a list of agencies in one request."""

from fastapi import APIRouter
from ndx_chassis.app import operation
from ndx_chassis.db import SessionDep

from gateway.doors import OperatorDep
from gateway.enrolments import service
from gateway.enrolments.schemas import EnrolmentsIn, EnrolmentsOut

router = APIRouter(prefix="/v1/enrolments", tags=["agencies"])


@router.post("", openapi_extra=operation(door="operator", changes="ANNOUNCED"))
async def enrol_agencies(body: EnrolmentsIn, session: SessionDep, operator: OperatorDep) -> EnrolmentsOut:
    return await service.enrol_agencies(session, operator, wanted=body)
