"""Gives out serials: leases a few counter values per prefix and turns each into a number.

The counters are taken in short transactions of their own connection, so births of one province do not wait
for each other's commits, and a request that fails only leaves a number unused. What a process has leased and
not used when it ends is never given out.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import asyncpg
from ndx_chassis.errors import DatabaseUnavailable
from ndx_chassis.telemetry import log

from svc_population.personal_ids.errors import PersonalIdKeyMissing, PrefixExhausted
from svc_population.personal_ids.permutation import SerialPermutation
from svc_population.personal_ids.personal_id import SERIALS

_TAKE = (
    "INSERT INTO personal_id_counters AS c (prefix, taken) VALUES ($1, $2)"
    " ON CONFLICT (prefix) DO UPDATE SET taken = c.taken + $2 RETURNING taken"
)
_AT_ONCE = 0.5
"""Seconds in which a lease that is used up was too small."""
_MOST_LEASES = 8
_AWAY = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


class Allocator:
    """The source of new numbers in this process."""

    def __init__(self, dsn: str, *, key_file: Path | None, lease: int) -> None:
        self._dsn = dsn
        self._key_file = key_file
        self._lease = lease
        self._permutation: SerialPermutation | None = None
        self._leased: dict[str, Iterator[int]] = {}
        self._last: dict[str, tuple[int, float]] = {}
        """How many were taken last, and when."""
        self._lock = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None

    async def next_number(self, prefix: str) -> str:
        """Return the next number of a prefix; it may have been given to somebody by an import.

        Raises:
            PersonalIdKeyMissing: the secret key cannot be read.
            PrefixExhausted: the million is used up.
            DatabaseUnavailable: the counters cannot be reached.
        """
        permutation = self._permutation or self._read_key()
        counter = next(self._leased.get(prefix, iter(())), None)
        if counter is None:
            async with self._lock:
                counter = next(self._leased.get(prefix, iter(())), None)
                if counter is None:
                    lease = self._next_lease(prefix)
                    taken = await self._take(prefix, lease)
                    self._leased[prefix] = iter(range(taken - lease, min(taken, SERIALS)))
                    counter = next(self._leased[prefix], None)
        if counter is None:
            log.error("personal_id_prefix_exhausted", prefix=prefix)
            raise PrefixExhausted
        return f"{prefix}{permutation.serial(prefix, counter):06d}"

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_AWAY):
                await connection.close(timeout=1)

    def _read_key(self) -> SerialPermutation:
        if self._key_file is None:
            raise PersonalIdKeyMissing("POPULATION_PERSONAL_ID_KEY_FILE is not set.", retry_after=30)
        try:
            self._permutation = SerialPermutation(self._key_file.read_bytes())
        except (OSError, ValueError) as error:
            log.error("personal_id_key_unreadable", error=type(error).__name__)
            raise PersonalIdKeyMissing(retry_after=30) from None
        return self._permutation

    def _next_lease(self, prefix: str) -> int:
        """Return how many to take: more where the last ones went at once, so that few wait for a counter."""
        last, at = self._last.get(prefix, (self._lease, 0.0))
        now = monotonic()
        lease = min(2 * last, _MOST_LEASES * self._lease) if now - at < _AT_ONCE else self._lease
        self._last[prefix] = (lease, now)
        return lease

    async def _take(self, prefix: str, lease: int) -> int:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._dsn,
                    timeout=5,
                    server_settings={"application_name": "ndx-population-numbers", "timezone": "UTC"},
                )
            taken: int = await self._connection.fetchval(_TAKE, prefix, lease, timeout=5)
        except _AWAY as error:
            log.warning("personal_id_counters_lost", error=type(error).__name__)
            await self.close()
            raise DatabaseUnavailable(retry_after=1) from None
        return taken
