"""Real TLS receivers on this machine, and webhooks that send to them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway.feeds import workers
from ndx_chassis.app import Runtime

from ..conftest import DEAD
from ..receivers import Receiver, receiving

Do = Callable[..., Any]


@pytest.fixture
def webhook_seconds() -> float:
    """Return how long a call may last: long, except where a test is about just that."""
    return 60.0


@pytest.fixture
def service_settings(
    service_settings: dict[str, Any], state_dir: Path, webhook_seconds: float
) -> dict[str, Any]:
    for name in ("webhooks.crt", "webhooks.key", "gateway-ca.crt"):
        (service_settings["state_dir"] / name).symlink_to(state_dir / name)
    networks = ("127.0.0.0/8", "::1/128")
    return service_settings | {"webhook_networks": networks, "webhook_seconds": webhook_seconds}


@pytest.fixture
async def receiver(tmp_path: Path, state_dir: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path, state_dir, "receiver") as made:
        yield made


@pytest.fixture
def hook(subscribe: Do, ask: Do) -> Do:
    """Make a push subscription with interest in the dead: `await hook(url)`; its id."""

    async def make(url: str, *, people: tuple[str, ...] = (DEAD,), several: int = 1, **retry: int) -> str:
        retries = {"first_delay_seconds": 1, "max_attempts": 3} | retry
        endpoint = {"url": url, "retry": retries, "max_events": several}
        made: str = await subscribe(delivery="PUSH", endpoint=endpoint)
        interests = {"people": [{"personal_id": p} for p in people]}
        await ask("POST", f"/subscriptions/{made}/interests", interests)
        return made

    return make


async def states(ask: Do, identifier: str) -> list[tuple[str, int]]:
    items = (await ask("GET", f"/subscriptions/{identifier}/event-states"))["items"]
    return [(one["state"], one["attempts"]) for one in items]


@contextlib.asynccontextmanager
async def hanging(
    receiver: Receiver, runtime: Runtime, asked: list[web.Request] | None = None
) -> AsyncIterator[asyncio.Event]:
    """Let a worker call a webhook that does not answer before the block ends; the event says that it did."""
    called, released = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append(request)
        called.set()
        await released.wait()
        return web.Response()

    receiver.behave = hang
    working = asyncio.create_task(workers.push_for_ever(runtime))
    try:
        async with asyncio.timeout(30):
            yield called
    finally:
        released.set()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
