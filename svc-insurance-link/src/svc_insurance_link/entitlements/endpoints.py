"""The HTTP door to entitlements."""

from typing import Annotated

from fastapi import APIRouter, Path
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

from svc_insurance_link.entitlements import service
from svc_insurance_link.entitlements.schemas import EntitlementsOut

router = APIRouter(prefix="/insurance/v1", tags=["entitlements"])


@router.get(
    "/participants/{personal_id}/entitlements",
    openapi_extra=operation(personal_data=True, field_groups=[FieldGroup.INSURANCE_ENTITLEMENT]),
)
async def list_entitlements(
    personal_id: Annotated[PersonalId, Path()],
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
) -> EntitlementsOut:
    """All intervals of cover of one participant, newest first."""
    return await service.list_for(session, caller, grant, personal_id=personal_id, sessions=runtime.sessions)
