"""HTTP door of the past: a person as of two times, and the list of versions."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.personal_ids import PersonalId
from pydantic import AwareDatetime

from svc_population.histories import service
from svc_population.histories.schemas import GROUPS, PersonAsOfOut, PersonHistoryOut
from svc_population.histories.service import Question, groups_of
from svc_population.persons.schemas import Day

router = APIRouter(prefix="/population/v1", tags=["histories"])
_DECLARED = operation(door="agency", personal_data=True, field_groups=GROUPS)
Fields = Annotated[
    str, Query(max_length=1000, description="Names of field groups that have a history, joined by commas.")
]


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/persons/{personal_id}/as-of", response_model=PersonAsOfOut, openapi_extra=_DECLARED)
async def get_person_as_of(
    *,
    personal_id: PersonalId,
    fields: Fields,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    valid_at: Annotated[
        Day | None, Query(description="The day on which it was true; without it, known_at's.")
    ] = None,
    known_at: Annotated[
        AwareDatetime | None, Query(description="What was on record at this moment; without it, now.")
    ] = None,
) -> Response:
    question = Question(caller, grant, personal_id, groups_of(fields))
    found = await service.person_as_of(session, runtime, question, valid_at=valid_at, known_at=known_at)
    return _json(found)


@router.get("/persons/{personal_id}/history", response_model=PersonHistoryOut, openapi_extra=_DECLARED)
async def list_person_versions(
    *,
    personal_id: PersonalId,
    fields: Fields,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    cursor: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next_cursor` of a page.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Response:
    question = Question(caller, grant, personal_id, groups_of(fields))
    found = await service.person_history(session, runtime, question, before_version=cursor, limit=limit)
    return _json(found)
