"""HTTP door: metadata services."""

from typing import Any

from fastapi import APIRouter
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import KNOWN_CALLER, CallerDep
from ndx_chassis.db import SessionDep

from gateway.catalogue import service
from gateway.catalogue.schemas import AllowedOperations, OperationList, ServiceList

router = APIRouter(prefix="/v1", tags=["catalogue"], dependencies=[KNOWN_CALLER])
_METADATA = operation(door="agency_metadata")


@router.get("/services", openapi_extra=_METADATA)
async def list_services(runtime: RuntimeDep) -> ServiceList:
    return service.list_services(runtime)


@router.get("/services/{name}/operations", openapi_extra=_METADATA)
async def list_service_operations(name: str, runtime: RuntimeDep) -> OperationList:
    return service.list_operations(runtime, name)


@router.get("/services/{name}/openapi", openapi_extra=_METADATA)
async def show_service_openapi(
    name: str, session: SessionDep, caller: CallerDep, runtime: RuntimeDep
) -> dict[str, Any]:
    return await service.openapi_for(session, runtime, name, agency=caller.agency, system=caller.system)


@router.get("/allowed-operations", openapi_extra=_METADATA)
async def list_allowed_operations(
    session: SessionDep, caller: CallerDep, runtime: RuntimeDep
) -> AllowedOperations:
    return await service.allowed_operations(session, runtime, agency=caller.agency, system=caller.system)
