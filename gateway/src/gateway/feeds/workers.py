"""The worker of webhooks: calls of so many at a time and no more, each with a place of its own.

A webhook that did not answer last time waits in a lane of its own: however many are dead, those that work
keep their places. One that hangs for the first time holds a place no longer than one call may last.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log

from gateway.feeds import leases, pushing, pushing_sql
from gateway.feeds.calling import Identity, Lines
from gateway.feeds.desk import Desk, desk_of
from gateway.feeds.pushing import Errand, Outcome

GOOD_LANE, FAILING_LANE = 32, 16
_LOOK_SECONDS = 1.0
_LAST_SECONDS = 5.0


async def push_for_ever(runtime: Runtime) -> None:
    """Send what is due until cancelled."""
    worker = Worker(runtime)
    beating = asyncio.create_task(worker.keep_leases())
    try:
        while True:
            worker.desk.pushed.clear()
            try:
                await worker.go_on()
            except Exception as error:  # noqa: BLE001 - what was not kept is kept next time
                _log_trouble(error)
                await asyncio.sleep(_LOOK_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await worker.desk.pushed.wait()
    finally:
        beating.cancel()
        await worker.end()


def _log_trouble(error: Exception) -> None:
    if is_connection_trouble(error):
        log.warning("webhook_worker_interrupted", error=type(error).__name__)
    else:
        log.error("webhook_worker_crashed", error=type(error).__name__, where=where(error))


class Worker:
    """Who calls webhooks now, who is next, and what came of the calls that have ended."""

    def __init__(self, runtime: Runtime) -> None:
        self.desk: Desk = desk_of(runtime)
        self._runtime = runtime
        self._name = new_id()
        self._lines = Lines()
        self._leases = leases.Leases()
        self._running: dict[UUID, tuple[asyncio.Task[None], bool]] = {}
        self._ended: list[Outcome] = []
        self._next: dict[bool, deque[UUID]] = {False: deque(), True: deque()}
        """Whether it failed last time → who may have something to send, in turns."""
        self._looked_at = 0.0

    async def go_on(self) -> None:
        """Keep what has ended and start what is due, in one transaction."""
        identity = self.desk.identity
        if self.desk.key is None or identity is None:
            return
        if self.desk.news or time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            await self._look()
        ended, wanted = list(self._ended), dict(self._wanted())
        if not ended and not wanted:
            return
        asked_at = time.monotonic()
        found = await pushing.exchange(self._runtime, self._name, ended, wanted)
        del self._ended[: len(ended)]
        # Whoever has answered may have more, after the others.
        answered = [one.subscription for one in ended if one.answer is not None and one.answer.status]
        self._next[False].extend([*answered, *found.again])
        for errand in found.errands:
            task = asyncio.create_task(self._call(errand, identity, asked_at))
            self._running[errand.subscription] = (task, wanted[errand.subscription])
        if self._next[False] or self._ended:
            self.desk.pushed.set()

    async def _look(self) -> None:
        self.desk.news, self._looked_at = False, time.monotonic()
        async with self._runtime.sessions() as session:
            due = await pushing_sql.due_subscriptions(session, datetime.now(UTC))
        for lane, waiting in self._next.items():
            waiting.clear()
            waiting.extend(identifier for identifier, failures in due if (failures > 0) is lane)

    def _wanted(self) -> Iterable[tuple[UUID, bool]]:
        """Give who is next, as many as there are places, with their lanes."""
        ended = {one.subscription for one in self._ended}
        for lane, size in ((False, GOOD_LANE), (True, FAILING_LANE)):
            places = size - sum(other is lane for _, other in self._running.values())
            while places > 0 and self._next[lane]:
                identifier = self._next[lane].popleft()
                if identifier not in self._running and identifier not in ended:
                    places -= 1
                    yield identifier, lane

    async def keep_leases(self) -> None:
        """Renew the leases of calls that go on, until cancelled."""
        while True:
            await asyncio.sleep(leases.BEAT_SECONDS)
            if not (held := self._leases.held):
                continue
            asked_at = time.monotonic()
            try:
                kept = await pushing.keep_leases(self._runtime, self._name, held)
            except Exception as error:  # noqa: BLE001 - calls are broken off when it goes on like this
                _log_trouble(error)
            else:
                self._leases.kept(kept, asked_at)

    async def _call(self, errand: Errand, identity: Identity, asked_at: float) -> None:
        outcome = Outcome(errand.subscription, None, None)
        try:
            line = await self._lines.take(errand.subscription, errand.endpoint, errand.endpoint_ca, identity)
            try:
                async with self._leases.during(errand.subscription, asked_at):
                    outcome = await pushing.run(self._runtime, self._name, errand, line)
            finally:
                await self._lines.give_back(errand.subscription, line)
        except leases.LeaseLost:
            log.warning("webhook_call_broken_off", subscription=str(errand.subscription))
        except Exception as error:  # noqa: BLE001 - one webhook's trouble is nobody else's
            log.error("webhook_call_crashed", error=type(error).__name__, where=where(error))
            await asyncio.sleep(_LOOK_SECONDS)
        finally:
            del self._running[errand.subscription]
            self._ended.append(outcome)
            self.desk.pushed.set()

    async def end(self) -> None:
        """Stop calling, and give back what is leased; what had no answer comes again."""
        tasks = [task for task, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._lines.close()
                await pushing.exchange(self._runtime, self._name, self._ended, ())
