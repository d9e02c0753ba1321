"""HTTP door of mergers: one officer proposes, another one decides."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.idempotency import IdempotencyKey
from ndx_contracts.field_groups import FieldGroup

from svc_population.mergers import service
from svc_population.mergers.schemas import DecisionIn, MergerIn, MergerOut

router = APIRouter(prefix="/population/v1", tags=["mergers"], dependencies=[NO_STORE])
_NUMBERS = [FieldGroup.PERSONAL_ID]


@router.post(
    "/person-mergers",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_NUMBERS, changes="UNANNOUNCED"),
)
async def propose_person_merger(
    *,
    body: Annotated[MergerIn, Body()],
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> MergerOut:
    return await service.propose(
        session, runtime, caller=caller, grant=grant, body=body, idempotency_key=idempotency_key
    )


@router.post(
    "/person-mergers/{merger_id}/decision",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_NUMBERS),
)
async def decide_person_merger(
    *,
    merger_id: UUID,
    body: DecisionIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> MergerOut:
    return await service.decide(session, runtime, caller=caller, grant=grant, merger_id=merger_id, body=body)


@router.get(
    "/person-mergers/{merger_id}",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_NUMBERS),
)
async def get_person_merger(
    *,
    merger_id: UUID,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
) -> MergerOut:
    return await service.show(session, caller=caller, grant=grant, merger_id=merger_id)
