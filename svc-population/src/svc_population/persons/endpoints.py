"""HTTP door of persons: verify, look up many; the read of one is the plain route of `hot_read`."""

from fastapi import APIRouter, Response
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import PersonLookupIn

from svc_population.persons import verification
from svc_population.persons.hot_read import GROUPS, get_persons
from svc_population.persons.schemas import GROUP_OF_CLAIM, PersonLookupsOut, VerifyIn, VerifyOut
from svc_population.settings import settings_of

router = APIRouter(prefix="/population/v1", tags=["persons"])
LOOKUPS_COST = 20
"""Quota units of one request for up to 1,000 people."""
_CLAIMED = sorted({*GROUP_OF_CLAIM.values(), FieldGroup.DEATH_OR_MISSING_DATE})


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


@router.post(
    "/persons/{personal_id}/verify",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_CLAIMED, changes="NOTHING"),
)
async def verify_person(
    *,
    personal_id: PersonalId,
    body: VerifyIn,
    response: Response,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> VerifyOut:
    response.headers["Cache-Control"] = "no-store"
    return await verification.verify(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        claims=body,
        wrong_guesses=settings_of(runtime).verify_wrong_guesses,
    )
