"""The clock of calls: the log is read on every second, and old calls go."""

import asyncio
from datetime import UTC, datetime, timedelta

from ndx_chassis.app import Runtime

from gateway.calls import log_file, service
from gateway.calls.lines import Call
from gateway.settings import Settings


def _settings(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("calls need the gateway's settings")
    return runtime.settings


async def follow(runtime: Runtime) -> None:
    """Read on until the end of the log; each piece is kept together with the place after it."""
    settings = _settings(runtime)
    read = True
    while read:
        now = datetime.now(UTC)
        kept: list[Call] = []
        async with runtime.sessions() as session, session.begin():
            since = await service.place(session, service.SOURCE)
            piece = await asyncio.to_thread(log_file.read, settings.access_log, since)
            read = piece is not None
            if piece is not None:
                oldest = (now - timedelta(days=settings.calls_days_kept)).date()
                kept = await service.take_in(session, service.SOURCE, piece, oldest=oldest, now=now)
        service.counted(runtime, kept)


async def guard_days(runtime: Runtime) -> None:
    """Give days that are older than the digests of lines what keeps a line from standing there twice.

    Not a step of the schema: for a day of many calls it takes longer than such a step may.
    """
    async with runtime.sessions() as session:
        days = await service.unguarded_days(session)
    for day in days:
        async with runtime.sessions() as session, session.begin():
            await service.guard_day(session, day)


async def clear(runtime: Runtime) -> None:
    """Drop calls and sums that are older than the settings keep them."""
    settings, now = _settings(runtime), datetime.now(UTC)
    async with runtime.sessions() as session, session.begin():
        await service.let_go(
            session,
            oldest=(now - timedelta(days=settings.calls_days_kept)).date(),
            oldest_hour=now - timedelta(days=settings.call_hours_days_kept),
        )
