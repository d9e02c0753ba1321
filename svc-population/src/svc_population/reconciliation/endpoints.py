"""HTTP door of reconciliation: agencies open and follow their cases, the commune's officers settle them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE

from svc_population.reconciliation import service
from svc_population.reconciliation.schemas import (
    CaseOut,
    CasesIn,
    CasesOut,
    OpenedCasesOut,
    OutcomeIn,
    OwnCaseOut,
    OwnCasesOut,
    ReopenIn,
)
from svc_population.settings import settings_of

router = APIRouter(prefix="/population/v1", tags=["reconciliation"], dependencies=[NO_STORE])
CASES_COST = 20
"""Quota units of one request for up to 1,000 cases."""
_DECLARED = operation(personal_data=True, field_groups=service.GROUPS)
_MANY = operation(personal_data=True, field_groups=service.GROUPS, cost=CASES_COST)
Limit = Annotated[int, Query(ge=1, le=500)]


@router.post("/reconciliation-cases", openapi_extra=_MANY)
async def open_reconciliation_cases(
    body: CasesIn, session: SessionDep, runtime: RuntimeDep, caller: CallerDep, grant: GrantDep
) -> OpenedCasesOut:
    """Open up to 1,000 cases, each once per reference; what both registers say alike is matched at once."""
    most = settings_of(runtime).verify_wrong_guesses
    return await service.open_cases(session, caller=caller, grant=grant, body=body, wrong_guesses=most)


@router.get("/reconciliation-cases/mine", openapi_extra=_DECLARED)
async def list_own_reconciliation_cases(
    *,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    cursor: UUID | None = None,
    limit: Limit = 100,
) -> OwnCasesOut:
    """List the cases that the calling agency opened, with their states and deadlines."""
    return await service.list_own_cases(session, caller=caller, grant=grant, cursor=cursor, limit=limit)


@router.get("/reconciliation-cases", openapi_extra=_DECLARED)
async def list_reconciliation_cases(
    *,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    cursor: Annotated[str | None, Query(pattern=r"^\d{4}-\d\d-\d\d_[0-9a-f-]{36}$")] = None,
    limit: Limit = 100,
) -> CasesOut:
    """List the waiting cases of the agreement's area, those due first first, with both sides' values."""
    return await service.list_cases(session, caller=caller, grant=grant, cursor=cursor, limit=limit)


@router.post("/reconciliation-cases/{case_id}/decide", openapi_extra=_DECLARED)
async def decide_reconciliation_case(
    *,
    case_id: UUID,
    body: OutcomeIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
) -> CaseOut:
    """Record what the commune found out, with note and evidence."""
    return await service.decide_case(session, caller=caller, grant=grant, case_id=case_id, body=body)


@router.post("/reconciliation-cases/{case_id}/reopen", openapi_extra=_DECLARED)
async def reopen_reconciliation_case(
    *,
    case_id: UUID,
    body: ReopenIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
) -> OwnCaseOut:
    """Bring new evidence to a case that was settled: it is reviewed again."""
    return await service.reopen_case(session, caller=caller, grant=grant, case_id=case_id, body=body)
