"""HTTP door of persons: look up many; `hot_read` and `hot_verify` have the plain routes."""

from fastapi import APIRouter, Response
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_contracts.population import PersonLookupIn

from svc_population.persons.hot_read import GROUPS, get_persons
from svc_population.persons.schemas import PersonLookupsOut

router = APIRouter(prefix="/population/v1", tags=["persons"])
LOOKUPS_COST = 20
"""Quota units of one request for up to 1,000 people."""


@router.post(
    "/person-lookups",
    response_model=PersonLookupsOut,
    openapi_extra=operation(
        door="agency", personal_data=True, field_groups=GROUPS, cost=LOOKUPS_COST, changes="NOTHING"
    ),
)
async def lookup_persons(
    body: PersonLookupIn, runtime: RuntimeDep, caller: CallerDep, grant: GrantDep
) -> Response:
    return Response(
        await get_persons(runtime, caller, grant, body),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
