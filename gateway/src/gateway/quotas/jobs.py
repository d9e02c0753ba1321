"""The clock of quotas: old tallies go."""

from datetime import UTC, datetime, timedelta

from ndx_chassis.app import Runtime

from gateway.quotas import repository
from gateway.settings import Settings

_GRANTS_KEPT = timedelta(days=1)


async def clear(runtime: Runtime) -> None:
    """Delete tallies that are older than the settings keep them, and assignments that long ceased to hold."""
    settings, now = runtime.settings, datetime.now(UTC)
    if not isinstance(settings, Settings):
        raise TypeError("quotas need the gateway's settings")
    oldest = settings.quota_calendar.month(now) - timedelta(days=31 * settings.quota_months_kept)
    async with runtime.sessions() as session, session.begin():
        await repository.clear(session, uses_before=oldest, grants_before=now - _GRANTS_KEPT)
