"""The HTTP door to dependants."""

from typing import Annotated

from fastapi import APIRouter, Path
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

from svc_tax_link.dependants import service, settlements
from svc_tax_link.dependants.schemas import DependantClaimIn, DependantOut, DependantsOut, SettlementIn

router = APIRouter(prefix="/tax/v1", tags=["dependants"])
_DECLARED = operation(personal_data=True, field_groups=[FieldGroup.TAX_REGISTRATION])


@router.get("/taxpayers/{personal_id}/dependants", openapi_extra=_DECLARED)
async def list_dependants(
    personal_id: Annotated[PersonalId, Path()],
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
) -> DependantsOut:
    """All dependants of one taxpayer with the months in which they are counted."""
    return await service.list_dependants(
        session, caller, grant, personal_id=personal_id, sessions=runtime.sessions
    )


@router.post("/taxpayers/{personal_id}/dependants", openapi_extra=_DECLARED)
async def claim_dependant(
    *,
    personal_id: Annotated[PersonalId, Path()],
    request: DependantClaimIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
) -> DependantOut:
    """Count a child with a parent from a month on; repeating it changes nothing."""
    return await service.claim_dependant(
        session,
        caller,
        grant,
        personal_id=personal_id,
        request=request,
        sessions=runtime.sessions,
    )


@router.post("/dependants/{personal_id}/settlements", openapi_extra=_DECLARED)
async def settle_dependant(
    *,
    personal_id: Annotated[PersonalId, Path()],
    request: SettlementIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
) -> DependantsOut:
    """Decide which payer keeps the months that claims for merged records count twice."""
    return await settlements.settle_dependant(
        session, caller, grant, personal_id=personal_id, request=request, sessions=runtime.sessions
    )
