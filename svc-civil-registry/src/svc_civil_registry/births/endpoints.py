"""The HTTP door of births."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response, status
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.idempotency import IdempotencyKey

from svc_civil_registry.births import reading, reviews, service
from svc_civil_registry.births.schemas import (
    AwaitingPage,
    BirthIn,
    BirthOut,
    BirthPage,
    BirthRecordOut,
    DuplicateIn,
    ReviewIn,
)
from svc_civil_registry.events.vocabulary import Flag, Status

router = APIRouter(prefix="/civil-registry/v1/births", tags=["births"])

Cursor = Annotated[UUID | None, Query(description="next_cursor of the page before")]
Limit = Annotated[int, Query(ge=1, le=200)]
_AWAITS: dict[int | str, dict[str, Any]] = {
    202: {"model": BirthOut, "description": "Kept; the number is still to come, see Location"}
}
_DATA = operation(door="agency", personal_data=True, field_groups=service.GROUPS)
# A birth without a number was never announced, so nobody outside has to hear of its end.
_QUIET = operation(door="agency", personal_data=True, field_groups=service.GROUPS, changes="UNANNOUNCED")


def _answer(birth: BirthOut, response: Response, *, done: int) -> BirthOut:
    response.status_code = done if birth.status is Status.REGISTERED else status.HTTP_202_ACCEPTED
    response.headers["Location"] = f"{router.prefix}/{birth.birth_id}"
    return birth


@router.post("", status_code=status.HTTP_201_CREATED, responses=_AWAITS, openapi_extra=_DATA)
async def declare_birth(
    *,
    declaration: BirthIn,
    response: Response,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> BirthOut:
    """Declare and register a birth: 201 with its number, 202 while the number is still to come."""
    birth = await service.declare_birth(runtime, caller, grant, declaration, key=idempotency_key)
    return _answer(birth, response, done=status.HTTP_201_CREATED)


@router.get("", openapi_extra=_DATA)
async def list_births(
    *,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    status: Status | None = None,
    flag: Flag | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> BirthPage:
    """List births by status and flag, oldest first."""
    return await reading.list_births(
        session, caller, grant, status=status, flag=flag, cursor=cursor, limit=limit
    )


@router.get("/awaiting-number", openapi_extra=operation(door="agency", personal_data=False))
async def list_births_awaiting_number(
    *, session: SessionDep, caller: CallerDep, grant: GrantDep, cursor: Cursor = None, limit: Limit = 50
) -> AwaitingPage:
    """List the births that wait for a number: attempts, next try, last error."""
    return await reading.list_awaiting(session, caller, grant, cursor=cursor, limit=limit)


@router.get("/{birth_id}", openapi_extra=_DATA)
async def get_birth(
    *, birth_id: UUID, session: SessionDep, caller: CallerDep, grant: GrantDep
) -> BirthRecordOut:
    """Read a birth with its declaration and history."""
    return await reading.read_birth(session, caller, grant, birth_id)


@router.post("/{birth_id}/resubmit", responses=_AWAITS, openapi_extra=_DATA)
async def resubmit_birth(
    *,
    birth_id: UUID,
    response: Response,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> BirthOut:
    """Ask for the number again, now."""
    birth = await reviews.resubmit_birth(runtime, caller, grant, birth_id, key=idempotency_key)
    return _answer(birth, response, done=status.HTTP_200_OK)


@router.post("/{birth_id}/mark-not-duplicate", responses=_AWAITS, openapi_extra=_DATA)
async def mark_birth_not_duplicate(
    *,
    birth_id: UUID,
    review: ReviewIn,
    response: Response,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> BirthOut:
    """Decide that a suspected birth stands for itself, and register it."""
    birth = await reviews.mark_not_duplicate(runtime, caller, grant, birth_id, review, key=idempotency_key)
    return _answer(birth, response, done=status.HTTP_200_OK)


@router.post("/{birth_id}/mark-duplicate", openapi_extra=_QUIET)
async def mark_birth_duplicate(
    *,
    birth_id: UUID,
    decision: DuplicateIn,
    session: SessionDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> BirthOut:
    """Decide that a suspected birth repeats another one, and archive it."""
    return await reviews.mark_duplicate(session, caller, grant, birth_id, decision, key=idempotency_key)
