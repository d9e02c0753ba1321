"""HTTP door of matching: search for a person."""

from fastapi import APIRouter, Response
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep

from svc_population.matching import service
from svc_population.matching.schemas import SHOWN, PersonSearchIn, PersonsFoundOut

router = APIRouter(prefix="/population/v1", tags=["matching"])
SEARCH_COST = 5
"""Quota units of a search."""


@router.post(
    "/persons/search",
    response_model=PersonsFoundOut,
    openapi_extra=operation(
        door="agency", personal_data=True, field_groups=SHOWN, cost=SEARCH_COST, changes="NOTHING"
    ),
)
async def search_persons(
    body: PersonSearchIn, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> Response:
    """Find people by name with a birth date or a commune, nearest first; each one shown is recorded."""
    return Response(
        await service.search(session, caller=caller, grant=grant, asked=body),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
