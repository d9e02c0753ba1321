"""HTTP door of households: the police form, change and split them; who may read, reads."""

from typing import Annotated

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.idempotency import IdempotencyKey
from ndx_contracts.personal_ids import PersonalId

from svc_population.households import answers, correcting, service
from svc_population.households.schemas import (
    HeadIn,
    HeadlessHouseholdsOut,
    HouseholdCorrectionIn,
    HouseholdDetailOut,
    HouseholdIn,
    HouseholdNumber,
    JoinIn,
    LeaveIn,
    SplitIn,
)
from svc_population.persons.versions import IfMatch, version_of

router = APIRouter(prefix="/population/v1/households", tags=["households"])
_DECLARED = operation(personal_data=True, field_groups=answers.GROUPS)
_CASES = operation()


@router.post("", status_code=201, openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def form_household(
    *,
    body: HouseholdIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> HouseholdDetailOut:
    """Form a household of people who are in none; it gets its number."""
    return await service.form_household(
        session, runtime, caller=caller, grant=grant, body=body, idempotency_key=idempotency_key
    )


@router.get("", openapi_extra=_CASES)
async def list_headless_households(
    session: SessionDep,
    grant: GrantDep,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> HeadlessHouseholdsOut:
    """List the households whose head died and that wait for another one: cases for the police."""
    return await answers.list_headless_households(session, grant=grant, cursor=cursor, limit=limit)


@router.get("/{number}", openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def get_household(
    number: HouseholdNumber, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> HouseholdDetailOut:
    """Read a household with its members, the head first, and those who left."""
    return await answers.get_household(session, caller=caller, grant=grant, number=number)


@router.post("/{number}/members", openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def join_household(
    *,
    number: HouseholdNumber,
    body: JoinIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> HouseholdDetailOut:
    """Let a person join; with `leaves_former` they leave the household in which they are."""
    return await service.join_household(
        session,
        runtime,
        caller=caller,
        grant=grant,
        number=number,
        body=body,
        idempotency_key=idempotency_key,
    )


@router.post("/{number}/members/{personal_id}/leave", openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def leave_household(
    *,
    number: HouseholdNumber,
    personal_id: PersonalId,
    body: LeaveIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
) -> HouseholdDetailOut:
    """Let a member leave; the last one dissolves the household."""
    return await service.leave_household(
        session, caller=caller, grant=grant, number=number, personal_id=personal_id, body=body
    )


@router.post("/{number}/split", status_code=201, openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def split_household(
    *,
    number: HouseholdNumber,
    body: SplitIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
) -> HouseholdDetailOut:
    """Let some members form a household of their own; the answer is the new one."""
    return await service.split_household(session, caller=caller, grant=grant, number=number, body=body)


@router.post("/{number}/head", openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def change_household_head(
    *,
    number: HouseholdNumber,
    body: HeadIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
) -> HouseholdDetailOut:
    """Make another member the head, and restate everybody's relation to them."""
    return await service.change_household_head(session, caller=caller, grant=grant, number=number, body=body)


@router.post("/{number}/corrections", openapi_extra=_DECLARED, dependencies=[NO_STORE])
async def correct_household(
    *,
    number: HouseholdNumber,
    body: HouseholdCorrectionIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    if_match: IfMatch = None,
) -> HouseholdDetailOut:
    """Correct who was in a household, or its head, on past days; the dossier is in NDX-Case-Id."""
    return await correcting.correct_household(
        session,
        runtime,
        caller=caller,
        grant=grant,
        number=number,
        body=body,
        version=version_of(if_match),
    )
