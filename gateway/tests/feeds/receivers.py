"""Webhooks as agencies run them: real TLS, with a certificate of the exchange's CA."""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import web
from gateway.authorities import authority, files
from gateway.feeds import pushing
from gateway.feeds.calling import Lines
from gateway.feeds.desk import desk_of
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.signatures import Request
from sqlalchemy import text


@dataclass
class Receiver:
    """An agency's webhook: `behave` decides on each delivery."""

    port: int = 0
    got: list[Any] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    callers: list[Any] = field(default_factory=list)
    looks: int = 0
    behave: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    url: str = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            self.looks += 1
            return web.Response(status=204)
        body = await request.read()
        self.requests.append(Request(request.method, self.url, dict(request.headers), body))
        self.got.append(json.loads(body))
        self.callers.append(request.get_extra_info("peercert"))
        if self.behave is not None:
            return await self.behave(request)
        return web.Response(status=204)

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.got]


@contextlib.asynccontextmanager
async def receiving(folder: Path, state: Path, name: str) -> AsyncIterator[Receiver]:
    """Run a webhook whose certificate comes from the exchange's CA; it asks for the exchange's."""
    ca = files.open_generation(state, files.AGENCY_CA, None)
    authority.issue_server(ca, folder, name, ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    context.load_verify_locations(state / "gateway-ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/hook", receiver.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    receiver.port = runner.addresses[0][1]
    receiver.url = f"https://localhost:{receiver.port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def push(runtime: Runtime, identifier: str, *, times: int = 20) -> None:
    """Do what a worker does for one webhook, until there is nothing to do or it is to be left alone."""
    worker, lines, identity = new_id(), Lines(), desk_of(runtime).identity
    assert identity is not None
    outcomes: list[pushing.Outcome] = []
    for _ in range(times):
        found = await pushing.exchange(runtime, worker, outcomes, [UUID(identifier)])
        outcomes = []
        for errand in found.errands:
            line = await lines.take(errand.subscription, errand.endpoint, errand.endpoint_ca, identity)
            outcomes = [await pushing.run(runtime, worker, errand, line)]
            await lines.give_back(errand.subscription, line)
        answer = outcomes[0].answer if outcomes else None
        if not (found.again or (answer is not None and (answer.delivered or answer.is_refusal))):
            break
    await pushing.exchange(runtime, worker, outcomes, ())
    await lines.close()


async def let_time_pass(runtime: Runtime) -> None:
    """Make every pause and every lease be over."""
    async with runtime.sessions() as session, session.begin():
        await session.execute(text("UPDATE feed_events SET next_attempt_at = NULL"))
        ended = "UPDATE feed_subscriptions SET next_attempt_at = NULL, leased_until = now()"
        await session.execute(text(ended))
