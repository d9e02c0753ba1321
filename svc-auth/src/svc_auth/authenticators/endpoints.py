"""HTTP door of authenticators: the holder activates the account with the code from the office."""

from fastapi import APIRouter, Request
from ndx_chassis.app import RuntimeDep, public
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.problems import request_id_of

from svc_auth.authenticators import service
from svc_auth.authenticators.schemas import ActivationIn, ActivationOut
from svc_auth.authenticators.source import source_of

router = APIRouter(prefix="/auth/v1", tags=["authenticators"], dependencies=[NO_STORE])


@router.post("/activations", status_code=201, openapi_extra=public())
async def activate_account(
    body: ActivationIn, request: Request, session: SessionDep, runtime: RuntimeDep
) -> ActivationOut:
    return await service.activate(
        session,
        runtime,
        activation=body,
        source=source_of(request),
        request_id=request_id_of(request),
    )
