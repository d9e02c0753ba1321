"""HTTP door of dependants: the guardian sees whom their account acts for."""

from fastapi import APIRouter
from ndx_chassis.app import operation
from ndx_chassis.caller import CitizenDep
from ndx_chassis.db import SessionDep

from svc_identity.dependants import service
from svc_identity.dependants.schemas import DependantList

router = APIRouter(prefix="/identity/v1", tags=["dependants"])


@router.get("/me/dependants", openapi_extra=operation(door="citizen", personal_data=True, acr=2))
async def list_my_dependants(session: SessionDep, citizen: CitizenDep) -> DependantList:
    return await service.list_dependants(session, citizen)
