"""HTTP door: authorities and their rotation, outside trust anchors, and revocation lists for anyone."""

from typing import Annotated

from fastapi import APIRouter, Response
from ndx_chassis.app import RuntimeDep, operation, public
from ndx_chassis.db import SessionDep
from pydantic import StringConstraints

from gateway.authorities import outside
from gateway.authorities import service as authorities
from gateway.authorities.schemas import (
    AnchorIn,
    AuthorityOut,
    RevocationListIn,
    RevocationListPage,
    RevocationSourceIn,
)
from gateway.doors import OperatorDep
from gateway.rotation import service
from gateway.rotation.schemas import (
    AuthorityList,
    InternalAuthorityOut,
    InternalRetirementIn,
    RetirementIn,
    RotationIn,
)

router = APIRouter(prefix="/v1", tags=["authorities"])
Name = Annotated[str, StringConstraints(max_length=40)]


@router.get("/authorities", openapi_extra=operation(door="operator"))
async def list_authorities(session: SessionDep, operator: OperatorDep) -> AuthorityList:
    del operator  # any operator may look
    return await service.overview(session)


@router.post("/authorities/rotate", status_code=201, openapi_extra=operation(door="operator"))
async def rotate_authority(
    body: RotationIn, session: SessionDep, operator: OperatorDep, runtime: RuntimeDep
) -> AuthorityList:
    return await service.rotate(session, operator, wanted=body, settings=service.settings_of(runtime))


@router.post("/authorities/{authority}/retire", openapi_extra=operation(door="operator"))
async def retire_authority(
    authority: Name, body: RetirementIn, session: SessionDep, operator: OperatorDep, runtime: RuntimeDep
) -> AuthorityList:
    return await service.retire(
        session, operator, name=authority, wanted=body, settings=service.settings_of(runtime)
    )


@router.get("/internal-authority", openapi_extra=operation(door="operator"))
async def show_internal_authority(operator: OperatorDep, runtime: RuntimeDep) -> InternalAuthorityOut:
    del operator  # any operator may look
    return await service.internal_authority(service.settings_of(runtime))


@router.post("/internal-authority/rotate", status_code=201, openapi_extra=operation(door="operator"))
async def rotate_internal_authority(
    body: RotationIn, session: SessionDep, operator: OperatorDep, runtime: RuntimeDep
) -> InternalAuthorityOut:
    return await service.rotate_internal(session, runtime, operator, wanted=body)


@router.post("/internal-authority/retire", openapi_extra=operation(door="operator"))
async def retire_internal_authority(
    body: InternalRetirementIn, session: SessionDep, operator: OperatorDep, runtime: RuntimeDep
) -> InternalAuthorityOut:
    return await service.retire_internal(session, runtime, operator, wanted=body)


@router.post("/authorities", status_code=201, openapi_extra=operation(door="operator"))
async def add_trust_anchor(body: AnchorIn, session: SessionDep, operator: OperatorDep) -> AuthorityOut:
    return await outside.add_anchor(session, operator, wanted=body)


@router.put("/authorities/{authority}/revocation-list", openapi_extra=operation(door="operator"))
async def put_revocation_list(
    authority: Name, body: RevocationListIn, session: SessionDep, operator: OperatorDep
) -> AuthorityOut:
    return await outside.put_outside_list(session, operator, name=authority, pem=body.pem)


@router.put("/authorities/{authority}/revocation-source", openapi_extra=operation(door="operator"))
async def set_revocation_source(
    authority: Name, body: RevocationSourceIn, session: SessionDep, operator: OperatorDep
) -> AuthorityOut:
    return await outside.set_source(session, operator, name=authority, wanted=body)


@router.get("/revocation-lists", openapi_extra=public())
async def list_revocation_lists(session: SessionDep) -> RevocationListPage:
    return await authorities.published_lists(session)


@router.get(
    "/revocation-lists/{authority}",
    openapi_extra=public(),
    response_class=Response,
    responses={200: {"content": {"application/pkix-crl": {}}, "description": "The list in DER form."}},
)
async def show_revocation_list(authority: Name, session: SessionDep) -> Response:
    found = await authorities.published_list(session, authority)
    return Response(found, media_type="application/pkix-crl")


@router.get(
    "/gateway-ca",
    openapi_extra=public(),
    response_class=Response,
    responses={200: {"content": {"application/x-pem-file": {}}, "description": "CA certificates."}},
)
async def show_gateway_ca(session: SessionDep) -> Response:
    return Response(await authorities.gateway_ca_pem(session), media_type="application/x-pem-file")
