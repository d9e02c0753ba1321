"""HTTP door of matching: search for a person, match a record."""

from fastapi import APIRouter, Response
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import ReadingDep, SessionDep
from ndx_chassis.disclosure import NO_STORE

from svc_population.matching import records, service
from svc_population.matching.guesses import Limits
from svc_population.matching.schemas import (
    MATCHED_BY,
    SEARCHED,
    MatchIn,
    MatchOut,
    PersonSearchIn,
    PersonsFoundOut,
)
from svc_population.settings import settings_of

router = APIRouter(prefix="/population/v1", tags=["matching"])
SEARCH_COST = 5
"""Quota units of a search."""
MATCH_COST = 2


@router.post(
    "/persons/search",
    response_model=PersonsFoundOut,
    openapi_extra=operation(
        door="agency", personal_data=True, field_groups=SEARCHED, cost=SEARCH_COST, changes="NOTHING"
    ),
)
async def search_persons(
    *, body: PersonSearchIn, session: SessionDep, reading: ReadingDep, caller: CallerDep, grant: GrantDep
) -> Response:
    """Find people by name with birth date, commune or household, nearest first, with a record of each."""
    return Response(
        await service.search(session, reading=reading, caller=caller, grant=grant, asked=body),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@router.post(
    "/match",
    openapi_extra=operation(
        door="agency", personal_data=True, field_groups=MATCHED_BY, cost=MATCH_COST, changes="NOTHING"
    ),
    dependencies=[NO_STORE],
)
async def match_person(
    *,
    body: MatchIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> MatchOut:
    """Say whose record this is: one person when that is sure, else the reasons why nobody can say."""
    settings = settings_of(runtime)
    return await records.match(
        session,
        caller=caller,
        grant=grant,
        record=body,
        limits=Limits(settings.verify_wrong_guesses, settings.match_misses),
    )
