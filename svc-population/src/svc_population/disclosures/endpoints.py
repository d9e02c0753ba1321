"""HTTP door of the citizen's view."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CitizenDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE

from svc_population.disclosures import service
from svc_population.disclosures.schemas import MyDisclosuresOut

router = APIRouter(prefix="/population/v1", tags=["disclosures"], dependencies=[NO_STORE])


@router.get("/me/disclosures", openapi_extra=operation(door="citizen", personal_data=True, acr=2))
async def list_my_disclosures(
    *,
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
    wanted = service.Filter(subject=subject, since=since, until=until, cursor=cursor, limit=limit)
    return await service.list_own(session, runtime, citizen=citizen, wanted=wanted)
