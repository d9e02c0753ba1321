"""HTTP door: request, renew, list and revoke certificates."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from ndx_chassis.app import RuntimeDep, operation, public
from ndx_chassis.db import SessionDep
from ndx_chassis.errors import CallerUnknown
from ndx_contracts import headers

from gateway.certificates import revoking, service
from gateway.certificates.schemas import (
    CertificateDocument,
    CertificateOut,
    CertificatePage,
    CertificateQuery,
    CertificateRequestIn,
    IssuedOut,
    OwnRevocationIn,
    RenewalIn,
    RevocationIn,
    Serial,
)
from gateway.doors import OperatorDep

router = APIRouter(prefix="/v1/certificates", tags=["certificates"])


def _peer(request: Request) -> service.Peer:
    fingerprint = request.headers.get(headers.CERTIFICATE)
    if not fingerprint:
        raise CallerUnknown
    return service.Peer(fingerprint, request.headers.get(headers.REQUEST_ID, "-")[:64])


PeerDep = Annotated[service.Peer, Depends(_peer)]


@router.post("", status_code=201, openapi_extra=public())
async def request_certificate(
    body: CertificateRequestIn, session: SessionDep, runtime: RuntimeDep
) -> IssuedOut:
    return await service.issue_certificate(
        session, runtime, wanted=body, settings=service.issuing_settings(runtime)
    )


@router.post("/renewals", status_code=201, openapi_extra=operation(door="agency_metadata"))
async def renew_certificate(
    body: RenewalIn, session: SessionDep, runtime: RuntimeDep, peer: PeerDep
) -> IssuedOut:
    return await service.renew_certificate(
        session, wanted=body, peer=peer, settings=service.issuing_settings(runtime)
    )


@router.get("", openapi_extra=operation(door="operator"))
async def list_certificates(
    session: SessionDep,
    operator: OperatorDep,
    wanted: Annotated[CertificateQuery, Query()],
) -> CertificatePage:
    del operator  # any operator may look
    return await service.certificates_of(session, wanted)


@router.get("/mine", openapi_extra=operation(door="agency_metadata"))
async def list_my_certificates(session: SessionDep, peer: PeerDep) -> CertificatePage:
    return await service.own_certificates(session, peer=peer)


@router.post("/mine/revoke", openapi_extra=operation(door="agency_metadata"))
async def revoke_my_certificate(body: OwnRevocationIn, session: SessionDep, peer: PeerDep) -> CertificateOut:
    return await revoking.revoke_own(session, peer=peer, serial=body.serial, wanted=body)


@router.get("/{serial}", openapi_extra=operation(door="operator"))
async def show_certificate(serial: Serial, session: SessionDep, operator: OperatorDep) -> CertificateDocument:
    del operator  # any operator may look
    return await service.show_certificate(session, serial=serial)


@router.post("/{serial}/revoke", openapi_extra=operation(door="operator"))
async def revoke_certificate(
    serial: Serial, body: RevocationIn, session: SessionDep, operator: OperatorDep
) -> CertificateOut:
    return await revoking.revoke_certificate(session, operator, serial=serial, wanted=body)
