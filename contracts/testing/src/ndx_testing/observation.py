"""Which operations left which rows while a service's own tests ran: nothing is declared twice, it is seen."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import asyncpg
from ndx_chassis.caller import operation_of
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COUNTS = (
    "SELECT (SELECT count(*) FROM disclosures), (SELECT count(*) FROM audit_entries),"
    " (SELECT count(*) FROM outbox)"
)
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


says_nothing = False
"""Set by the fixture `says_nothing` while a test runs whose successful answers say nothing about anybody."""


@dataclass(slots=True)
class Seen:
    """What one operation did over all tests: how often it succeeded, and how often each trace was left."""

    answered: int = 0
    disclosed: int = 0
    audited: int = 0
    announced: int = 0
    silent_in: str | None = None
    """A test in which it succeeded without leaving a disclosure record."""

    def add(self, other: "Seen") -> None:
        self.answered += other.answered
        self.disclosed += other.disclosed
        self.audited += other.audited
        self.announced += other.announced
        self.silent_in = self.silent_in or other.silent_in


@dataclass(slots=True)
class Observations:
    """What was seen of all operations, by catalogue name (`tax.get_taxpayer`)."""

    by_operation: dict[str, Seen] = field(default_factory=dict)

    def note(self, operation: str, seen: Seen) -> None:
        self.by_operation.setdefault(operation, Seen()).add(seen)

    def to_data(self) -> dict[str, dict[str, Any]]:
        """Return plain data, as a worker process sends it to the controlling one."""
        return {name: asdict(seen) for name, seen in self.by_operation.items()}

    def merge(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in what another process saw."""
        for name, values in data.items():
            self.note(name, Seen(**values))

    def names(self) -> Iterable[str]:
        return self.by_operation.keys()


@dataclass(slots=True, eq=False)
class _Call:
    """A request being served; one that overlapped another cannot be told from it by counting rows."""

    overlapped: bool


class RowCounter:
    """Counts disclosure records, audit entries and events over a connection of its own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    async def count(self) -> "asyncpg.Record | None":
        """Return the three numbers, or None when a test took the database away."""
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._dsn, timeout=30)
                return await self._connection.fetchrow(_COUNTS, timeout=30)
            except _AWAY:
                return None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.terminate()


class Observer:
    """The outermost middleware of an application under test: counts rows before and after each request."""

    def __init__(self, app: ASGIApp, rows: RowCounter, observations: Observations) -> None:
        self._app = app
        self._rows = rows
        self._observations = observations
        self._running: set[_Call] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and note what it left."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _Call(overlapped=bool(self._running))
        for other in self._running:
            other.overlapped = True
        self._running.add(call)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        before = None if call.overlapped else await self._rows.count()
        try:
            await self._app(scope, receive, watched)
        finally:
            after = None if call.overlapped else await self._rows.count()
            self._running.discard(call)
        if 200 <= status < 400 and scope.get("route") is not None:
            # An answer that is still to come (202) gives nothing yet.
            gives = status != 202
            self._note(scope, None if call.overlapped else before, after, gives=gives)

    def _note(
        self,
        scope: Scope,
        before: "asyncpg.Record | None",
        after: "asyncpg.Record | None",
        *,
        gives: bool,
    ) -> None:
        seen = Seen(answered=1)
        if before is not None and after is not None:
            seen.disclosed, seen.audited, seen.announced = (
                int(now > then) for then, now in zip(before, after, strict=True)
            )
            if gives and not seen.disclosed and not says_nothing:
                seen.silent_in = os.environ.get("PYTEST_CURRENT_TEST", "?").partition(" ")[0]
        self._observations.note(operation_of(Request(scope)), seen)
