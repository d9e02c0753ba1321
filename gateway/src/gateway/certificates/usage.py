"""Learns from the control plane's own calls which certificates are in use."""

import asyncio

from ndx_chassis.app import Runtime
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log
from ndx_contracts.headers import CERTIFICATE
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.certificates import service

_HEADER = CERTIFICATE.lower().encode()
_EVERY_SECONDS = 2.0
_MOST_REMEMBERED = 100_000


class Usage:
    """Fingerprints seen; those that were written down are remembered, so that each is written once."""

    def __init__(self) -> None:
        self.fresh: set[str] = set()
        self.known: set[str] = set()

    def see(self, fingerprint: str) -> None:
        if fingerprint not in self.known:
            self.fresh.add(fingerprint)

    async def write_down(self, runtime: Runtime) -> None:
        """Make the certificates seen since the last time ACTIVE."""
        taken = self.fresh
        if not taken:
            return
        async with runtime.sessions() as session, session.begin():
            await service.mark_used(session, taken)
        self.fresh = self.fresh - taken
        if len(self.known) > _MOST_REMEMBERED:
            self.known.clear()
        self.known |= taken


class SeesCertificates:
    """A plain ASGI middleware: one look at the headers of each call."""

    def __init__(self, app: ASGIApp, usage: Usage) -> None:
        self._app = app
        self._usage = usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == _HEADER:
                    self._usage.see(value.decode("latin-1"))
        await self._app(scope, receive, send)


async def _follow(runtime: Runtime, usage: Usage) -> None:
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            await usage.write_down(runtime)
        except Exception as error:  # noqa: BLE001 - what was seen is kept, and the next turn comes
            level = log.warning if is_connection_trouble(error) else log.error
            level("certificate_usage_not_written", error=type(error).__name__, where=where(error))


async def start(runtime: Runtime) -> None:
    """Start writing down what is seen."""
    runtime.extras["usage_task"] = asyncio.create_task(_follow(runtime, runtime.extras["usage"]))


async def stop(runtime: Runtime) -> None:
    """Stop it."""
    task = runtime.extras.pop("usage_task", None)
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
