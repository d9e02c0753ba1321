"""HTTP door: calls, one's own for agencies and all of them for operators."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from pydantic import AwareDatetime

from gateway.calls import service as calls
from gateway.calls.schemas import CallPage, HealthOut
from gateway.calls.service import Wanted
from gateway.doors import OperatorDep

router = APIRouter(prefix="/v1/calls", tags=["calls"])
Word = Annotated[str | None, Query(max_length=80)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str, Query(max_length=80)]
Seconds = Annotated[int, Query(ge=60, le=3600, description="How far back, until now.")]


class Side(StrEnum):
    """Which side of a call an agency was on."""

    CONSUMER = "CONSUMER"
    PROVIDER = "PROVIDER"


async def _wanted(
    *,
    since: Annotated[AwareDatetime | None, Query(description="Default: a day before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Default: now.")] = None,
    system: Word = None,
    service: Word = None,
    operation: Word = None,
    agreement: Word = None,
    refusal: Annotated[str | None, Query(max_length=80, description="The gateway's problem code.")] = None,
    request_id: Word = None,
    status: Annotated[str | None, Query(pattern="^[1-5]([0-9]{2}|xx)$", description="403, or 4xx.")] = None,
) -> Wanted:
    return Wanted(
        system=system,
        service=service,
        operation=operation,
        agreement=agreement,
        refusal=refusal,
        request_id=request_id,
        status=status,
        since=since,
        until=until,
    )


WantedDep = Annotated[Wanted, Depends(_wanted)]


@router.get("/mine", openapi_extra=operation(door="agency_metadata"))
async def list_my_calls(
    *,
    session: SessionDep,
    caller: CallerDep,
    runtime: RuntimeDep,
    wanted: WantedDep,
    side: Side = Side.CONSUMER,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> CallPage:
    mine = {"agency": caller.agency} if side is Side.CONSUMER else {"provider": caller.agency}
    return await calls.page_of_calls(
        session, runtime, wanted.of(**mine), cursor=cursor, limit=limit, now=datetime.now(UTC)
    )


@router.get("", openapi_extra=operation(door="operator"))
async def list_calls(
    *,
    session: SessionDep,
    operator: OperatorDep,
    runtime: RuntimeDep,
    wanted: WantedDep,
    agency: Word = None,
    provider: Word = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> CallPage:
    del operator  # any operator may look
    wanted = wanted.of(agency=agency, provider=provider)
    return await calls.page_of_calls(
        session, runtime, wanted, cursor=cursor, limit=limit, now=datetime.now(UTC)
    )


@router.get("/mine/health", openapi_extra=operation(door="agency_metadata"))
async def get_my_health(
    *,
    session: SessionDep,
    caller: CallerDep,
    runtime: RuntimeDep,
    service: Word = None,
    side: Side = Side.CONSUMER,
    period_seconds: Seconds = 600,
) -> HealthOut:
    """How the operations that the agency called, or those of its services, did of late."""
    mine = {"agency": caller.agency} if side is Side.CONSUMER else {"provider": caller.agency}
    wanted = Wanted(service=service).of(**mine)
    return await calls.health(session, runtime, wanted, seconds=period_seconds, now=datetime.now(UTC))


@router.get("/health", openapi_extra=operation(door="operator"))
async def get_health(
    *,
    session: SessionDep,
    operator: OperatorDep,
    runtime: RuntimeDep,
    agency: Word = None,
    provider: Word = None,
    service: Word = None,
    period_seconds: Seconds = 600,
) -> HealthOut:
    """How every operation that was called did of late."""
    del operator  # any operator may look
    wanted = Wanted(service=service).of(agency=agency, provider=provider)
    return await calls.health(session, runtime, wanted, seconds=period_seconds, now=datetime.now(UTC))
