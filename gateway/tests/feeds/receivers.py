"""Webhooks as agencies run them: real TLS, with a certificate of the exchange's CA."""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from gateway.authorities import files
from gateway.certificates import authority
from ndx_contracts.signatures import Request


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
