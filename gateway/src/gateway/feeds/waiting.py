"""Long poll: wait, holding no connection of the database, until a subscription has something to give."""

import asyncio
from uuid import UUID

from ndx_chassis.app import Runtime

from gateway.feeds import repository
from gateway.feeds.desk import desk_of

_LOOK_SECONDS = 1.0
"""Events that another process queued are found by looking."""


async def until_something_waits(runtime: Runtime, agency: str, subscription: UUID, seconds: float) -> None:
    """Return when a pull would find something, or has no reason to wait, or the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        async with runtime.sessions() as session:
            if await repository.anything_waits(session, subscription, agency):
                return
        await desk_of(runtime).wait_for(subscription, min(left, _LOOK_SECONDS))
