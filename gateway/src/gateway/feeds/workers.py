"""Workers of webhooks: one per subscription that has something to send, so many at a time and no more.

A webhook that did not answer last time waits in a lane of its own: however many are dead, those that work
keep their places. One that hangs for the first time holds a place no longer than one call may last.
"""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log

from gateway.feeds import pushing, repository
from gateway.feeds.desk import Desk, desk_of

GOOD_LANE, FAILING_LANE = 32, 16
_AT_A_TIME = 100
"""Events that one worker sends before others that wait for a place come first."""
_LOOK_SECONDS = 1.0
_GATHER_SECONDS = 0.02


async def push_for_ever(runtime: Runtime) -> None:
    """Send what is due until cancelled."""
    running: dict[UUID, tuple[asyncio.Task[None], bool]] = {}
    desk = desk_of(runtime)
    try:
        while True:
            desk.pushed.clear()
            full = False
            if desk.key is not None and desk.identity is not None:
                full = await _start_due(runtime, running)
            await _wait(desk, [task for task, _ in running.values()] if full else [])
    finally:
        tasks = [task for task, _ in running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(desk: Desk, places: list[asyncio.Task[None]]) -> None:
    """Wait for something to send; where webhooks wait for a place, also for one that becomes free."""
    told = asyncio.create_task(desk.pushed.wait())
    try:
        done, _ = await asyncio.wait(
            [told, *places], timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if done and told not in done:
            # Others that end in the same moment are seen in one look.
            await asyncio.sleep(_GATHER_SECONDS)
    finally:
        told.cancel()


async def _start_due(runtime: Runtime, running: dict[UUID, tuple[asyncio.Task[None], bool]]) -> bool:
    """Start a worker for each webhook that is due, while there are places; tell whether some got none."""
    for identifier in [i for i, (task, _) in running.items() if task.done()]:
        del running[identifier]
    places = {
        failing: size - sum(lane is failing for _, lane in running.values())
        for failing, size in ((False, GOOD_LANE), (True, FAILING_LANE))
    }
    async with runtime.sessions() as session:
        due = await repository.due_subscriptions(session, datetime.now(UTC))
    full = False
    for identifier, failures in due:
        failing = failures > 0
        if identifier in running:
            continue
        if places[failing] <= 0:
            full = True
            continue
        places[failing] -= 1
        running[identifier] = (asyncio.create_task(_work(runtime, identifier)), failing)
    return full


async def _work(runtime: Runtime, identifier: UUID) -> None:
    """Send to one webhook until nothing is due, or it is to be left alone, or others have waited."""
    try:
        line = await pushing.line_of(runtime, identifier)
        if line is None:
            return
        async with line:
            for _ in range(_AT_A_TIME):
                if not await pushing.push_next(runtime, line, identifier):
                    return
        # More may wait.
        desk_of(runtime).pushed.set()
    except Exception as error:  # noqa: BLE001 - one webhook's trouble is nobody else's
        if is_connection_trouble(error):
            log.warning("webhook_worker_interrupted", error=type(error).__name__)
        else:
            log.error("webhook_worker_crashed", error=type(error).__name__, where=where(error))
            await asyncio.sleep(_LOOK_SECONDS)
