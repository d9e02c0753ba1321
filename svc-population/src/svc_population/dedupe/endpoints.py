"""HTTP door of the search for duplicates: operators of the register's owner ask, approve, look and cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from ndx_chassis.app import operation
from ndx_chassis.db import SessionDep

from svc_population.dedupe import service
from svc_population.dedupe.schemas import DedupeRunIn, DedupeRunOut, DedupeRunsOut
from svc_population.operators.endpoints import OwnerDep

router = APIRouter(prefix="/population/v1/dedupe-runs", tags=["dedupe"])
_OPERATOR = operation(door="operator")


@router.post("", status_code=201, openapi_extra=_OPERATOR)
async def request_dedupe_run(body: DedupeRunIn, session: SessionDep, operator: OwnerDep) -> DedupeRunOut:
    """Ask for a search; nothing is read before a second operator approves."""
    return await service.request_run(session, operator, body)


@router.get("", openapi_extra=_OPERATOR)
async def list_dedupe_runs(
    session: SessionDep,
    operator: OwnerDep,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DedupeRunsOut:
    """List runs with their counts, the newest first."""
    del operator  # any of the owner may look
    return await service.list_runs(session, cursor=cursor, limit=limit)


@router.get("/{run_id}", openapi_extra=_OPERATOR)
async def get_dedupe_run(run_id: UUID, session: SessionDep, operator: OwnerDep) -> DedupeRunOut:
    """Show how far a run is and what came out."""
    del operator  # any of the owner may look
    return await service.get_run(session, run_id)


@router.post("/{run_id}/approve", openapi_extra=_OPERATOR)
async def approve_dedupe_run(run_id: UUID, session: SessionDep, operator: OwnerDep) -> DedupeRunOut:
    """Approve, as another operator than the one who asked."""
    return await service.approve_run(session, operator, run_id)


@router.post("/{run_id}/cancel", openapi_extra=_OPERATOR)
async def cancel_dedupe_run(run_id: UUID, session: SessionDep, operator: OwnerDep) -> DedupeRunOut:
    """Cancel a run that has not ended; cases that it opened stay."""
    return await service.cancel_run(session, operator, run_id)
