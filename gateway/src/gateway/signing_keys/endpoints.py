"""HTTP door: signing keys of the calling system, and every agency's for whoever checks a signature."""

from typing import Annotated

from fastapi import APIRouter, Path
from ndx_chassis.app import RuntimeDep, operation, public
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep

from gateway.doors import OperatorDep
from gateway.signing_keys import service
from gateway.signing_keys.schemas import RevocationIn, SigningKeyIn, SigningKeyOut, SigningKeySet

router = APIRouter(prefix="/v1", tags=["signing keys"])
KeyId = Annotated[str, Path(max_length=43)]
_METADATA = operation(door="agency_metadata")
_CHANGE = operation(door="agency_metadata", changes="ANNOUNCED")


@router.post("/signing-keys/mine", openapi_extra=_CHANGE)
async def publish_my_signing_key(
    body: SigningKeyIn, session: SessionDep, caller: CallerDep, runtime: RuntimeDep
) -> SigningKeyOut:
    return await service.publish_key(session, caller, wanted=body, settings=service.settings_of(runtime))


@router.get("/signing-keys/mine", openapi_extra=_METADATA)
async def list_my_signing_keys(session: SessionDep, caller: CallerDep) -> SigningKeySet:
    return await service.keys_of(session, caller.agency, caller.system)


@router.post("/signing-keys/mine/{key_id}/revoke", openapi_extra=_CHANGE)
async def revoke_my_signing_key(
    key_id: KeyId, body: RevocationIn, session: SessionDep, caller: CallerDep
) -> SigningKeyOut:
    return await service.revoke_mine(session, caller, key_id=key_id, reason=body.reason)


@router.post("/signing-keys/{key_id}/revoke", openapi_extra=operation(door="operator", changes="ANNOUNCED"))
async def revoke_signing_key(
    key_id: KeyId, body: RevocationIn, session: SessionDep, operator: OperatorDep
) -> SigningKeyOut:
    return await service.revoke(session, operator, key_id=key_id, reason=body.reason)


@router.get("/agencies/{agency}/signing-keys", openapi_extra=public())
async def list_signing_keys_of_agency(
    agency: Annotated[str, Path(max_length=32)], session: SessionDep
) -> SigningKeySet:
    return await service.keys_of(session, agency)
