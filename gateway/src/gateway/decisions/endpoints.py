"""HTTP door: a dry run of a call."""

from fastapi import APIRouter
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep

from gateway.decisions import service
from gateway.decisions.schemas import ExplanationIn, ExplanationOut
from gateway.doors import OperatorDep

router = APIRouter(prefix="/v1", tags=["decisions"])


@router.post("/decisions", openapi_extra=operation(door="agency_metadata", changes="NOTHING"))
async def explain_call(
    body: ExplanationIn, session: SessionDep, caller: CallerDep, runtime: RuntimeDep
) -> ExplanationOut:
    return await service.explain(session, runtime, agency=caller.agency, system=caller.system, wanted=body)


@router.post(
    "/agencies/{agency}/systems/{system}/decisions",
    openapi_extra=operation(door="operator", changes="NOTHING"),
)
async def explain_call_of_agency(  # noqa: PLR0917 - each is a part of the request
    agency: str,
    system: str,
    body: ExplanationIn,
    session: SessionDep,
    operator: OperatorDep,
    runtime: RuntimeDep,
) -> ExplanationOut:
    del operator  # any operator may ask
    return await service.explain(session, runtime, agency=agency, system=system, wanted=body)
