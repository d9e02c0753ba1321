"""The order in which slices settle: several are in work at once, and each commits after the one before it.

What decides is the database: a slice commits only when the job stands where the slice begins, and counts
guesses under the lock of their rows. The order here lets slices of one process not fail each other, and tells
a slice about whom others of its agency guessed while it looked.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic

from svc_population.match_jobs.feed import Feed

_REST = 5.0
"""Seconds after which a job that stopped is tried again."""
_REMEMBERED = 64
"""Slices that may settle while one is in work; then it does not know any more and looks again."""


@dataclass(slots=True)
class Turn:
    """A slice's place after the one before it."""

    before: "asyncio.Future[bool] | None"
    done: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def comes(self) -> bool:
        """Wait for the slice before; False when it was given up, so that this one must be as well."""
        return self.before is None or await asyncio.shield(self.before)

    def end(self, *, settled: bool) -> None:
        if not self.done.done():
            self.done.set_result(settled)


@dataclass(slots=True)
class Lane:
    """One job's slices that are in work, one after the other."""

    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    feed: Feed | None = None
    checked: bool = False
    """The file was found to be what was announced."""
    at_end: bool = False
    """Nothing more is to be taken: the file ends, the job waits, or a slice was given up."""
    in_work: int = 0
    last: Turn | None = None
    stopped_at: float | None = None

    def stop(self) -> None:
        """Say that the job cannot go on now: it waits, failed, was cancelled, or is somebody else's."""
        self.stopped_at = monotonic()

    def rested(self, *, others: bool) -> bool:
        """Tell whether the job may be tried again: after a rest, and only while others are in work."""
        return self.stopped_at is None or (others and monotonic() >= self.stopped_at + _REST)

    def next_turn(self) -> Turn:
        self.last = Turn(self.last.done if self.last is not None else None)
        return self.last


@dataclass(slots=True)
class Settling:
    """Slices of one agency settle one after the other; each leaves about whom it counted guesses."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    settled: int = 0
    _guessed: "deque[frozenset[str]]" = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def leave(self, numbers: Iterable[str]) -> None:
        self._guessed.append(frozenset(numbers))
        self.settled += 1

    def guessed_since(self, settled: int) -> frozenset[str] | None:
        """Return about whom guesses were counted since then; None when that is too long ago."""
        new = self.settled - settled
        if new > len(self._guessed):
            return None
        return frozenset().union(*list(self._guessed)[len(self._guessed) - new :]) if new else frozenset()
