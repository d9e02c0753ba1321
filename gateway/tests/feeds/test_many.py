"""Many webhooks and a few dead ones among them: all others have their event, and the dead are known.

The number is small here; `NDX_FEED_SUBSCRIPTIONS=3000` with this file alone and `-s` asks the whole.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from gateway.feeds import workers
from ndx_chassis.app import Runtime
from ndx_testing.envoy import free_ports, until
from sqlalchemy import text

from .conftest import death
from .receivers import Receiver, receiving

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
MANY = int(os.environ.get("NDX_FEED_SUBSCRIPTIONS", "40"))
DEAD_ONES = max(1, MANY // 100)
_COPY = text("""
    INSERT INTO feed_subscriptions
    SELECT (r).* FROM (
        SELECT jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid(),
               'endpoint', CASE WHEN n <= :dead THEN CAST(:nowhere AS text) ELSE s.endpoint END)) AS r
        FROM feed_subscriptions s, generate_series(1, :more) n
    ) copies
""")


@pytest.fixture
def service_settings(service_settings: dict[str, Any], state_dir: Path) -> dict[str, Any]:
    for name in ("webhooks.crt", "webhooks.key", "gateway-ca.crt"):
        (service_settings["state_dir"] / name).symlink_to(state_dir / name)
    return service_settings | {"webhook_networks": ("127.0.0.0/8", "::1/128"), "webhook_seconds": 5.0}


@pytest.fixture
async def receiver(tmp_path: Path, state_dir: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path, state_dir, "receiver") as made:
        yield made


async def test_dead_webhooks_among_many_keep_nobody_from_their_event(
    receiver: Receiver, subscribe: Do, deliver: Do, runtime: Runtime, session: Any
) -> None:
    endpoint = {"url": receiver.url, "retry": {"first_delay_seconds": 1, "max_attempts": 3}}
    await subscribe(delivery="PUSH", people="EVERYBODY", endpoint=endpoint)
    nowhere = f"https://localhost:{free_ports(1)[0]}/hook"
    async with runtime.sessions() as own, own.begin():
        await own.execute(_COPY, {"dead": DEAD_ONES, "nowhere": nowhere, "more": MANY - 1})

    async def failing() -> int:
        async with runtime.sessions() as own:
            found = await own.scalar(text("SELECT count(*) FROM feed_subscriptions WHERE failures > 0"))
        return int(found or 0)

    async def known() -> bool:
        return await failing() >= DEAD_ONES

    started = time.monotonic()
    await deliver(death())
    queued, cpu = time.monotonic(), time.process_time()
    pushing = asyncio.create_task(workers.push_for_ever(runtime))
    try:
        living = MANY - DEAD_ONES
        await until(lambda: len(receiver.got) >= living, seconds=20 + MANY / 5, what="everybody's event")
        got_at, cpu = time.monotonic(), time.process_time() - cpu
        await until(known, what="that the dead are known")
    finally:
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
    said = f"queued in {queued - started:.1f} s, pushed in {got_at - queued:.1f} s, CPU {cpu:.1f} s"
    sys.stdout.write(f"{MANY} webhooks, {DEAD_ONES} dead: {said}\n")
    assert len(receiver.got) == living
    states = await session.execute(text("SELECT state, count(*) FROM feed_events GROUP BY state"))
    found = {row[0]: row[1] for row in states}
    # The last answers may not have been written down when the work was ended.
    assert found.get("DONE", 0) >= living - workers.GOOD_LANE
    assert sum(found.values()) == MANY
    assert await failing() == DEAD_ONES
