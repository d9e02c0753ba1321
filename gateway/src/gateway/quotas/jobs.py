"""The clock of quotas: what Envoy could not report is counted from its log, and old tallies go."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ndx_chassis.app import Runtime
from ndx_chassis.telemetry import log

from gateway.calls import service as calls
from gateway.quotas import repository
from gateway.quotas.desk import Group
from gateway.quotas.spent import WHOLE_AGENCY
from gateway.settings import Settings

_GRANTS_KEPT = timedelta(days=1)
_REPORTED_BY_NOW = timedelta(seconds=20)
"""A call that is older has been reported, or never will be: reports come every five seconds."""
_BEFORE_THE_QUOTA = ("burst-exceeded", "daily-quota-exceeded", "monthly-quota-exceeded")
"""Refusals of calls under an agreement that used nothing of its quota."""


async def correct(runtime: Runtime) -> None:
    """Add what Envoy let through while nobody took its reports: its log has every call."""
    settings, now = _settings(runtime), datetime.now(UTC)
    day = settings.quota_calendar.day(now)
    async with runtime.sessions() as session, session.begin():
        counted = await calls.units(
            session,
            runtime,
            since=settings.quota_calendar.begin(day),
            before=now - _REPORTED_BY_NOW,
            uncounted=_BEFORE_THE_QUOTA,
        )
        added = await repository.correct(session, with_agencies(counted), day=day, now=now)
    if added:
        log.info("quota_tally_corrected", units=added)


def with_agencies(counted: Mapping[Group, tuple[int, int]]) -> dict[Group, tuple[int, int]]:
    """Return units and calls with the sums of whole agencies; only those with a quota have a row for it."""
    found = dict(counted)
    for (agency, _), (units, calls_made) in counted.items():
        before = found.get((agency, WHOLE_AGENCY), (0, 0))
        found[agency, WHOLE_AGENCY] = (before[0] + units, before[1] + calls_made)
    return found


def _settings(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("quotas need the gateway's settings")
    return runtime.settings


async def clear(runtime: Runtime) -> None:
    """Delete tallies that are older than the settings keep them, and assignments that long ceased to hold."""
    settings, now = _settings(runtime), datetime.now(UTC)
    oldest = settings.quota_calendar.month(now) - timedelta(days=31 * settings.quota_months_kept)
    async with runtime.sessions() as session, session.begin():
        await repository.clear(session, uses_before=oldest, grants_before=now - _GRANTS_KEPT)
