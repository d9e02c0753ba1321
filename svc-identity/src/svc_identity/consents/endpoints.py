"""HTTP door of consents: the holder's own."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from ndx_chassis.app import operation
from ndx_chassis.caller import Citizen, CitizenDep
from ndx_chassis.db import SessionDep
from ndx_chassis.idempotency import IdempotencyKey

from svc_identity.accounts import service as accounts
from svc_identity.consents import service
from svc_identity.consents.schemas import ConsentIn, ConsentList, ConsentOut

router = APIRouter(prefix="/identity/v1/me/consents", tags=["consents"])
_CHANGE = operation(door="citizen", personal_data=True, acr=2, changes="ANNOUNCED")


async def _holder(session: SessionDep, citizen: CitizenDep) -> Citizen:
    await accounts.require_account(session, citizen)
    return citizen


HolderDep = Annotated[Citizen, Depends(_holder)]
"""A citizen who has an account here, asked before anything that they send is looked at."""


@router.post("", status_code=201, openapi_extra=_CHANGE)
async def give_consent(
    body: ConsentIn, session: SessionDep, citizen: HolderDep, idempotency_key: IdempotencyKey = None
) -> ConsentOut:
    return await service.give_consent(session, citizen, wanted=body, idempotency_key=idempotency_key)


@router.get("", openapi_extra=operation(door="citizen", personal_data=True, acr=2))
async def list_my_consents(session: SessionDep, citizen: HolderDep) -> ConsentList:
    return await service.list_own(session, citizen)


@router.post("/{consent_id}/withdraw", openapi_extra=_CHANGE)
async def withdraw_consent(consent_id: UUID, session: SessionDep, citizen: HolderDep) -> ConsentOut:
    return await service.withdraw_consent(session, citizen, consent_id=consent_id)
