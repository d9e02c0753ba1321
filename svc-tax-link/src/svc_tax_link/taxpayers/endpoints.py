"""The HTTP door to taxpayers."""

from typing import Annotated

from fastapi import APIRouter, Path
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.idempotency import IdempotencyKey, once
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

from svc_tax_link.taxpayers import service
from svc_tax_link.taxpayers.schemas import TaxpayerIn, TaxpayerOut

router = APIRouter(prefix="/tax/v1", tags=["taxpayers"])
_DECLARED = operation(personal_data=True, field_groups=[FieldGroup.TAX_REGISTRATION])


@router.post("/taxpayers", openapi_extra=_DECLARED)
async def register_taxpayer(
    *,
    request: TaxpayerIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
    idempotency_key: IdempotencyKey = None,
) -> TaxpayerOut:
    """Register a person as taxpayer under the personal ID; repeating it changes nothing."""
    return await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=request,
        response_type=TaxpayerOut,
        act=lambda: service.register_taxpayer(
            session,
            caller,
            grant,
            request=request,
            gateway=runtime.gateway,
        ),
    )


@router.get("/taxpayers/{personal_id}", openapi_extra=_DECLARED)
async def get_taxpayer(
    personal_id: Annotated[PersonalId, Path()],
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
) -> TaxpayerOut:
    """Read one taxpayer with the legacy codes that lead to the same person."""
    return await service.get_taxpayer(
        session, caller, grant, personal_id=personal_id, sessions=runtime.sessions
    )
