"""The HTTP door of deaths."""

from uuid import UUID

from fastapi import APIRouter, status
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.idempotency import IdempotencyKey

from svc_civil_registry.deaths import cancelling, service
from svc_civil_registry.deaths.schemas import CancellationIn, DeathIn, DeathOut, DeathRecordOut, VerdictIn

router = APIRouter(prefix="/civil-registry/v1/deaths", tags=["deaths"])

_DATA = operation(door="agency", personal_data=True, field_groups=service.GROUPS)
# While it is only asked for, the entry stands: nobody outside has to hear of it.
_QUIET = operation(door="agency", personal_data=True, field_groups=service.GROUPS, changes="UNANNOUNCED")


@router.post("", status_code=status.HTTP_201_CREATED, openapi_extra=_DATA)
async def register_death(
    *,
    declaration: DeathIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> DeathOut:
    """Declare and register a death."""
    return await service.register_death(
        session, caller, grant, declaration, key=idempotency_key, sessions=runtime.sessions
    )


@router.get("/{death_id}", openapi_extra=_DATA)
async def get_death(
    death_id: UUID, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> DeathRecordOut:
    """Read a death with its declaration."""
    return await service.read_death(session, caller, grant, death_id)


@router.post("/{death_id}/cancellation", openapi_extra=_QUIET)
async def request_death_cancellation(
    *,
    death_id: UUID,
    request: CancellationIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> DeathOut:
    """Ask for a wrongly registered death to be cancelled; another officer decides."""
    return await cancelling.request_cancellation(
        session, caller, grant, death_id, request, key=idempotency_key
    )


@router.post("/{death_id}/cancellation/decision", openapi_extra=_DATA)
async def decide_death_cancellation(
    *,
    death_id: UUID,
    decision: VerdictIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> DeathOut:
    """Cancel the death as another officer asked, or let it stand."""
    return await cancelling.decide_cancellation(
        session, caller, grant, death_id, decision, key=idempotency_key
    )
