"""The HTTP door to checks."""

from typing import Annotated

from fastapi import APIRouter, Depends
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.field_groups import FieldGroup

from svc_insurance_link.checks import service
from svc_insurance_link.checks.schemas import EntitlementCheckIn, EntitlementCheckOut
from svc_insurance_link.settings import Settings

router = APIRouter(prefix="/insurance/v1", tags=["checks"])


async def _settings(runtime: RuntimeDep) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("the service was put together with settings of another one")
    return runtime.settings


@router.post(
    "/entitlement-checks",
    openapi_extra=operation(
        personal_data=True, field_groups=[FieldGroup.INSURANCE_ENTITLEMENT], changes="NOTHING"
    ),
)
async def create_entitlement_check(
    *,
    request: EntitlementCheckIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    runtime: RuntimeDep,
    settings: Annotated[Settings, Depends(_settings)],
) -> EntitlementCheckOut:
    """Ask at the counter whether a patient is covered; answers with the national result code."""
    return await service.check(
        session, caller, grant, request=request, settings=settings, sessions=runtime.sessions
    )
