"""HTTP door of the citizen's view."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CitizenDep
from ndx_chassis.db import SessionDep

from svc_population.disclosures import service
from svc_population.disclosures.schemas import MyDisclosuresOut

router = APIRouter(prefix="/population/v1", tags=["disclosures"])


@router.get("/me/disclosures", openapi_extra=operation(door="citizen", personal_data=True, acr=2))
async def list_my_disclosures(
    *,
    response: Response,
    session: SessionDep,
    runtime: RuntimeDep,
    citizen: CitizenDep,
    subject: Annotated[
        str | None, Query(max_length=36, description="`self` or a child's ref; all when left out")
    ] = None,
    since: date | None = None,
    until: date | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> MyDisclosuresOut:
    response.headers["Cache-Control"] = "no-store"
    wanted = service.Filter(subject=subject, since=since, until=until, cursor=cursor, limit=limit)
    return await service.list_own(session, runtime, citizen=citizen, wanted=wanted)
