"""What a worker holds: leases that are short and kept while calls go on, and calls that end before theirs.

The database's clock says when others may take a webhook, this process's own when its call has to be over,
counted from before the lease was asked for. So that is earlier, whatever the clocks of machines show.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection
from uuid import UUID

LEASE_SECONDS = 6.0
"""After a crash the webhooks that were being called wait so long."""
BEAT_SECONDS = 1.5
MARGIN_SECONDS = 1.0
"""For a call to be broken off before others may begin theirs."""


class LeaseLost(Exception):
    """The call was broken off: its lease could not be kept."""


class Leases:
    """The calls under way, and when each is to be broken off."""

    def __init__(self) -> None:
        self._held: dict[UUID, asyncio.Timeout] = {}

    @property
    def held(self) -> Collection[UUID]:
        """Return whose leases are to be kept."""
        return list(self._held)

    @contextlib.asynccontextmanager
    async def during(self, subscription: UUID, asked_at: float) -> AsyncIterator[None]:
        """Break off what goes on inside when the lease is over that was asked for at `asked_at`.

        Raises:
            LeaseLost: it is over, now or already at the beginning.
        """
        if _left(asked_at) <= 0:
            raise LeaseLost
        limit = asyncio.timeout(_left(asked_at))
        try:
            async with limit:
                self._held[subscription] = limit
                yield
        except TimeoutError:
            if limit.expired():
                raise LeaseLost from None
            raise
        finally:
            self._held.pop(subscription, None)

    def kept(self, subscriptions: Collection[UUID], asked_at: float) -> None:
        """Let calls go on whose leases were renewed."""
        for subscription in subscriptions:
            limit = self._held.get(subscription)
            if limit is not None and not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time() + _left(asked_at))


def _left(asked_at: float) -> float:
    return asked_at + LEASE_SECONDS - MARGIN_SECONDS - time.monotonic()
