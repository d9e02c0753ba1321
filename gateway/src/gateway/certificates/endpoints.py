"""HTTP door: request, list and revoke certificates."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from ndx_chassis.app import operation, public
from ndx_chassis.caller import OperatorDep
from ndx_chassis.db import SessionDep

from gateway.agencies.schemas import ReasonIn
from gateway.certificates import service
from gateway.certificates.schemas import CertificateList, CertificateOut, CertificateRequestIn, IssuedOut

router = APIRouter(prefix="/v1/certificates", tags=["certificates"])


@router.post("", status_code=201, openapi_extra=public())
async def request_certificate(body: CertificateRequestIn, session: SessionDep, request: Request) -> IssuedOut:
    settings = request.app.state.runtime.settings
    return await service.issue_certificate(
        session, wanted=body, state_dir=settings.state_dir, days=settings.certificate_days
    )


@router.get("", openapi_extra=operation(door="operator"))
async def list_certificates(
    session: SessionDep, operator: OperatorDep, agency: Annotated[str | None, Query(max_length=32)] = None
) -> CertificateList:
    del operator  # any operator may look
    return await service.certificates_of(session, agency=agency)


@router.post("/{serial}/revoke", openapi_extra=operation(door="operator"))
async def revoke_certificate(
    serial: str, body: ReasonIn, session: SessionDep, operator: OperatorDep
) -> CertificateOut:
    return await service.revoke_certificate(session, operator, serial=serial, reason=body.reason)
