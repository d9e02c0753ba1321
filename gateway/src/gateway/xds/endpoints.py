"""HTTP door: how the data plane takes the configuration."""

from fastapi import APIRouter
from ndx_chassis.app import RuntimeDep, operation

from gateway.doors import OperatorDep
from gateway.xds import service
from gateway.xds.schemas import ConfigurationOut

router = APIRouter(prefix="/v1/configuration", tags=["configuration"])


@router.get("", openapi_extra=operation(door="operator"))
async def show_configuration(runtime: RuntimeDep, operator: OperatorDep) -> ConfigurationOut:
    del operator  # any operator may look
    return service.configuration(runtime)
