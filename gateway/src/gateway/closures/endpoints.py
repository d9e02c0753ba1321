"""HTTP door: the end of an agency."""

from fastapi import APIRouter
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.db import SessionDep

from gateway.closures import service
from gateway.closures.schemas import ClosureIn, ClosureOut
from gateway.doors import OperatorDep

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])


@router.post("/{agency}/close", openapi_extra=operation(door="operator", changes="ANNOUNCED"))
async def close_agency(
    agency: str, body: ClosureIn, session: SessionDep, operator: OperatorDep, runtime: RuntimeDep
) -> ClosureOut:
    settings = service.settings_of(runtime)
    return await service.close_agency(session, operator, code=agency, wanted=body, settings=settings)
