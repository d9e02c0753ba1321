"""HTTP door of cases from a rule's hits: operators of the register's owner ask, approve, look and cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from ndx_chassis.app import operation
from ndx_chassis.db import SessionDep

from svc_population.operators.endpoints import OwnerDep
from svc_population.quality_cases import service
from svc_population.quality_cases.schemas import QualityCaseRunIn, QualityCaseRunOut, QualityCaseRunsOut

router = APIRouter(prefix="/population/v1/quality-case-runs", tags=["quality"])
_OPERATOR = operation(door="operator")


@router.post("", status_code=201, openapi_extra=_OPERATOR)
async def request_quality_case_run(
    body: QualityCaseRunIn, session: SessionDep, operator: OwnerDep
) -> QualityCaseRunOut:
    """Ask for a case about everybody who breaks a rule; none is opened before a second operator approves."""
    return await service.request_run(session, operator, body)


@router.get("", openapi_extra=_OPERATOR)
async def list_quality_case_runs(
    session: SessionDep,
    operator: OwnerDep,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> QualityCaseRunsOut:
    """List runs with their counts, the newest first."""
    del operator  # any of the owner may look
    return await service.list_runs(session, cursor=cursor, limit=limit)


@router.get("/{run_id}", openapi_extra=_OPERATOR)
async def get_quality_case_run(run_id: UUID, session: SessionDep, operator: OwnerDep) -> QualityCaseRunOut:
    """Show how far a run is and what came of it."""
    del operator  # any of the owner may look
    return await service.get_run(session, run_id)


@router.post("/{run_id}/approve", openapi_extra=_OPERATOR)
async def approve_quality_case_run(
    run_id: UUID, session: SessionDep, operator: OwnerDep
) -> QualityCaseRunOut:
    """Approve, as another operator than the one who asked."""
    return await service.approve_run(session, operator, run_id)


@router.post("/{run_id}/cancel", openapi_extra=_OPERATOR)
async def cancel_quality_case_run(run_id: UUID, session: SessionDep, operator: OwnerDep) -> QualityCaseRunOut:
    """Cancel a run that has not ended; cases that it opened stay."""
    return await service.cancel_run(session, operator, run_id)
