"""Gathers concurrent questions: while one batch is in the database, all that wait form the next.

No timer and no delay: a lone question goes at once. A caller gets the answer after the commit of what the
statement writes, such as the disclosure record. A batch that the database refuses is halved and tried again,
so one bad question harms nobody else; a lost connection fails the batch with 503 and the next one reconnects.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg
from ndx_chassis.errors import DatabaseUnavailable
from ndx_chassis.telemetry import log

from svc_population.persons.errors import ServiceOverloaded

_SECONDS = 5.0
_PAUSE = 0.01
"""Seconds between looks whether there is room again."""
_SESSION = {
    "application_name": "ndx-population-lookup",
    "timezone": "UTC",
    # The arrays' values never change the plan, and planning anew costs half the throughput.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "statement_timeout": str(int(_SECONDS * 1000)),
}
_AWAY = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)
_AWAY_CLASSES = frozenset({"08", "53", "57"})

Found = Mapping[str, Any]
AskedT = TypeVar("AskedT")


@dataclass(frozen=True, slots=True)
class Gathered(Generic[AskedT]):
    """How many questions are answered by one statement; each row says by `n` which one, from 1."""

    statement: Callable[[Sequence[AskedT]], str]
    """Which of a few statements answers these questions: a lane prepares each once."""
    arguments: Callable[[Sequence[AskedT]], list[list[Any]]]
    """One array for each parameter, one element for each question."""


@dataclass(slots=True)
class _Waiting(Generic[AskedT]):
    asked: AskedT
    answer: "asyncio.Future[Found]"


class Desk(Generic[AskedT]):
    """Takes questions and answers them in batches over a few connections of its own."""

    def __init__(
        self,
        dsn: str,
        gathered: Gathered[AskedT],
        *,
        lanes: int,
        batch: int,
        queue: int,
        committed: Callable[[], None],
    ) -> None:
        self._dsn = dsn
        self.gathered = gathered
        self._batch = batch
        self._limit = queue
        self._committed = committed
        self._queue: deque[_Waiting[AskedT]] = deque()
        self._idle: deque[asyncio.Event] = deque()
        self._lanes = [_Lane(self) for _ in range(lanes)]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the lanes; a lane connects when its first batch comes."""
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]

    async def stop(self) -> None:
        """Close the lanes; whoever still waits gets a 503."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._queue:
            _fail(waiting, DatabaseUnavailable())
        self._queue.clear()

    async def ask(self, asked: AskedT) -> Found:
        """Answer one question; what its statement writes is committed.

        Raises:
            ServiceOverloaded: too many wait already.
            DatabaseUnavailable: the database cannot be reached.
        """
        if len(self._queue) >= self._limit:
            raise ServiceOverloaded(retry_after=1)
        return await self._take(asked).answer

    async def ask_all(self, asked: Sequence[AskedT], *, patient: bool) -> list[Found]:
        """Answer several questions, all or none: what is refused has left nothing, such as a record.

        `patient`: wait for room, as others of the same request were answered before.

        Raises:
            ServiceOverloaded: too many wait already.
            DatabaseUnavailable: the database cannot be reached; some may be answered.
        """
        until = time.monotonic() + _SECONDS
        while len(self._queue) and len(self._queue) + len(asked) > self._limit:
            if not patient or time.monotonic() > until:
                raise ServiceOverloaded(retry_after=1)
            await asyncio.sleep(_PAUSE)
        waiting = [self._take(one) for one in asked]
        return await asyncio.gather(*(one.answer for one in waiting))

    def _take(self, asked: AskedT) -> _Waiting[AskedT]:
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._idle:
            self._idle.popleft().set()
        return waiting

    async def next_batch(self) -> list[_Waiting[AskedT]]:
        """Wait for work and take as much as one statement may hold."""
        while True:
            batch: list[_Waiting[AskedT]] = []
            while self._queue and len(batch) < self._batch:
                waiting = self._queue.popleft()
                if not waiting.answer.done():
                    batch.append(waiting)
            if batch:
                return batch
            called = asyncio.Event()
            self._idle.append(called)
            try:
                await called.wait()
            finally:
                with contextlib.suppress(ValueError):
                    self._idle.remove(called)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._dsn, timeout=_SECONDS, server_settings=_SESSION)

    def committed(self) -> None:
        self._committed()


class _Lane(Generic[AskedT]):
    """One connection, one batch at a time."""

    def __init__(self, desk: Desk[AskedT]) -> None:
        self._desk = desk
        self._connection: asyncpg.Connection | None = None
        self._prepared: dict[str, Any] = {}

    async def run(self) -> None:
        try:
            while True:
                batch = await self._desk.next_batch()
                try:
                    await self._answer(batch)
                except BaseException:
                    for waiting in batch:
                        _fail(waiting, DatabaseUnavailable(retry_after=1))
                    raise
        finally:
            await self._drop()

    async def _answer(self, batch: list[_Waiting[AskedT]]) -> None:
        try:
            rows = await self._fetch([w.asked for w in batch])
        except _AWAY as error:
            await self._lost(batch, error)
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "")[:2] in _AWAY_CLASSES:
                await self._lost(batch, error)
            elif len(batch) > 1:
                half = len(batch) // 2
                await self._answer(batch[:half])
                await self._answer(batch[half:])
            else:
                log.error("lookup_refused", error=type(error).__name__)
                _fail(batch[0], error)
        else:
            self._desk.committed()
            for row in rows:
                answer = batch[row["n"] - 1].answer
                if not answer.done():
                    answer.set_result(row)

    async def _fetch(self, asked: list[AskedT]) -> list[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._desk.connect()
            self._prepared = {}
        gathered = self._desk.gathered
        statement = gathered.statement(asked)
        if statement not in self._prepared:
            self._prepared[statement] = await self._connection.prepare(statement, timeout=_SECONDS)
        rows: list[asyncpg.Record] = await self._prepared[statement].fetch(
            *gathered.arguments(asked), timeout=_SECONDS
        )
        return rows

    async def _lost(self, batch: list[_Waiting[AskedT]], error: Exception) -> None:
        log.warning("lookup_lane_lost", error=type(error).__name__, waiting=len(batch))
        for waiting in batch:
            _fail(waiting, DatabaseUnavailable(retry_after=1))
        await self._drop()

    async def _drop(self) -> None:
        connection, self._connection, self._prepared = self._connection, None, {}
        if connection is not None:
            with contextlib.suppress(*_AWAY):
                await connection.close(timeout=1)


def _fail(waiting: _Waiting[Any], error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
