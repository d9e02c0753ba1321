"""HTTP door: use against quota, one's own for agencies and everybody's for operators."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep

from gateway.doors import OperatorDep
from gateway.quotas import reading, whole_agencies
from gateway.quotas.periods import Calendar
from gateway.quotas.schemas import AgencyQuotaIn, AgencyQuotaOut, UsageList, UsagePage
from gateway.settings import Settings

router = APIRouter(prefix="/v1", tags=["quotas"])


async def _calendar(runtime: RuntimeDep) -> Calendar:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("quotas need the gateway's settings")
    return runtime.settings.quota_calendar


CalendarDep = Annotated[Calendar, Depends(_calendar)]


@router.get("/usage/mine", openapi_extra=operation(door="agency_metadata"))
async def show_my_usage(session: SessionDep, caller: CallerDep, calendar: CalendarDep) -> UsageList:
    return await reading.usage_of(session, calendar, caller.agency, datetime.now(UTC))


@router.get("/usage", openapi_extra=operation(door="operator"))
async def list_usage(
    *,
    session: SessionDep,
    operator: OperatorDep,
    calendar: CalendarDep,
    agency: Annotated[str | None, Query(max_length=32)] = None,
    agreement: Annotated[str | None, Query(max_length=80)] = None,
    day: Annotated[date | None, Query(description="Default: today.")] = None,
    cursor: Annotated[str, Query(max_length=120)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> UsagePage:
    del operator  # any operator may look
    return await reading.page_of_usage(
        session,
        calendar,
        day=day or calendar.day(datetime.now(UTC)),
        agency=agency,
        agreement_id=agreement,
        cursor=cursor,
        limit=limit,
    )


@router.put("/agencies/{agency}/quotas", openapi_extra=operation(door="operator"))
async def set_agency_quota(
    agency: str, body: AgencyQuotaIn, session: SessionDep, operator: OperatorDep, calendar: CalendarDep
) -> AgencyQuotaOut:
    now = datetime.now(UTC)
    return await whole_agencies.set_quota(session, operator, calendar, agency=agency, wanted=body, now=now)
