"""HTTP door of changes: change a person, and see which agency may change what."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import KNOWN_CALLER, CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_contracts.personal_ids import PersonalId

from svc_population.changes import service
from svc_population.changes.schemas import CHANGEABLE, PersonChangeIn, PersonChangeOut, SourcesOut

router = APIRouter(prefix="/population/v1", tags=["changes"])
IfMatch = Annotated[str | None, Header(alias="If-Match", description="The version that was read: its ETag.")]


@router.patch(
    "/persons/{personal_id}",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=CHANGEABLE),
    dependencies=[NO_STORE],
)
async def change_person(
    *,
    personal_id: PersonalId,
    body: PersonChangeIn,
    response: Response,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    if_match: IfMatch = None,
) -> PersonChangeOut:
    answer = await service.change_person(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        body=body,
        if_match=if_match,
    )
    response.headers["ETag"] = f'"{answer.version}"'
    return answer


@router.get("/sources-of-truth", dependencies=[KNOWN_CALLER], openapi_extra=operation(door="agency_metadata"))
async def list_sources_of_truth() -> SourcesOut:
    return service.list_sources()
