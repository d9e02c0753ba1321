"""HTTP door of personal numbers: the registry asks for one, the ministry replaces one."""

from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.idempotency import IdempotencyKey
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import PersonalIdRequestIn, PersonalIdRequestOut

from svc_population.personal_ids import cancellation, service, watching
from svc_population.personal_ids.schemas import CancellationIn, CancellationOut, PrefixesOut

router = APIRouter(prefix="/population/v1", tags=["personal-ids"])
_NUMBERS = operation(door="agency", personal_data=True, field_groups=[FieldGroup.PERSONAL_ID])


@router.post("/personal-id-requests", openapi_extra=_NUMBERS, dependencies=[NO_STORE])
async def create_personal_id_request(
    *,
    body: PersonalIdRequestIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> PersonalIdRequestOut:
    return await service.request_number(session, runtime, caller=caller, grant=grant, body=body)


@router.post("/personal-ids/{personal_id}/cancel", openapi_extra=_NUMBERS, dependencies=[NO_STORE])
async def cancel_personal_id(
    *,
    personal_id: PersonalId,
    body: CancellationIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> CancellationOut:
    return await cancellation.cancel(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        body=body,
        idempotency_key=idempotency_key,
    )


@router.get("/personal-id-prefixes", openapi_extra=operation(door="agency"))
async def list_personal_id_prefixes(
    session: SessionDep,
    _caller: CallerDep,
    _grant: GrantDep,
    least_percent: Annotated[int, Query(ge=1, le=100)] = 50,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> PrefixesOut:
    return await watching.list_prefixes(session, least_percent=least_percent, limit=limit)
