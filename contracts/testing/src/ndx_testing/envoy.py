"""A real Envoy for tests, and a provider behind it that says what it received."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from ndx_chassis.server import _Server
from ndx_local.ports import choose


def envoy_program() -> str:
    """Return the program of the wheel; NDX_ENVOY names another one."""
    return os.environ.get("NDX_ENVOY") or str(Path(sys.executable).parent / "envoy")


_LOOK_SECONDS = 0.01
_STALL_SECONDS = 0.1
"""A pause between two looks that is longer is not the tested program's doing but the machine's."""


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens; Envoy would silently share one with a stranger.

    No other process gets one of them here, also while nobody listens on it: a test may need just that.
    """
    taken: list[int] = []
    while len(taken) < count:
        port = choose(taken)
        if _claimed(port):
            taken.append(port)
    return taken


def _claimed(port: int) -> bool:
    """Claim a port for this process by the UDP port of the same number, which nothing here uses."""
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return False
    claim.detach()  # open until the process ends
    return True


async def until(condition: Callable[[], Any], *, seconds: float = 15.0, what: str = "the condition") -> Any:
    """Return the condition's first true value; it is looked at every 10 ms."""
    found, _ = await _until(condition, seconds, what)
    return found


async def seconds_until(
    condition: Callable[[], Any], *, seconds: float = 15.0, what: str = "the condition"
) -> float:
    """Return how long it took until the condition was true, without what a stalled machine took."""
    _, waited = await _until(condition, seconds, what)
    return waited


async def _until(condition: Callable[[], Any], seconds: float, what: str) -> tuple[Any, float]:
    """Wait for so many seconds in which this process runs: one that was stopped meanwhile looks again."""
    loop = asyncio.get_running_loop()
    waited, last = 0.0, loop.time()
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found, waited
        if waited >= seconds:
            raise TimeoutError(f"{what} did not come true within {seconds:g} s")
        await asyncio.sleep(_LOOK_SECONDS)
        now = loop.time()
        waited, last = waited + min(now - last, _STALL_SECONDS), now


@dataclass
class EnvoyProcess:
    """A running Envoy."""

    process: asyncio.subprocess.Process
    admin: str
    log: Path

    async def ready(self) -> bool:
        """Tell whether Envoy has its first configuration."""
        if self.process.returncode is not None:
            raise RuntimeError(f"Envoy ended:\n{self.log.read_text()[-4000:]}")
        try:
            async with httpx.AsyncClient(timeout=60) as client:
                return (await client.get(f"{self.admin}/ready")).is_success
        except httpx.TransportError:
            return False

    async def stats(self, prefix: str) -> dict[str, int]:
        """Return the counters and gauges whose names hold the prefix."""
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"{self.admin}/stats", params={"filter": prefix})
        lines = (line.rsplit(": ", 1) for line in answer.text.splitlines())
        return {name: int(value) for name, value in lines if value.isdigit()}


@asynccontextmanager
async def running_envoy(bootstrap: dict[str, Any], folder: Path) -> AsyncIterator[EnvoyProcess]:
    """Start Envoy with a bootstrap and stop it at the end."""
    file = folder / "envoy.json"
    file.write_text(json.dumps(bootstrap), encoding="utf-8")
    log = folder / "envoy.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(envoy_program(), "-c", str(file), "--concurrency", "1", "--log-level", "info"),
            *("--use-dynamic-base-id", "--drain-time-s", "1", "--parent-shutdown-time-s", "2"),
            *("--file-flush-interval-msec", "50"),
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )
    port = bootstrap["admin"]["address"]["socket_address"]["port_value"]
    try:
        yield EnvoyProcess(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


Answer = Callable[["Received"], tuple[int, Any] | None]
READINESS = "/health/ready"
JWKS = "/auth/v1/jwks"
"""Where Envoy looks by itself, at any moment: when a listener changes, and every five minutes."""


@dataclass
class Received:
    """A request as the provider saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Provider:
    """An HTTP server that keeps what it received, and answers with it unless told otherwise."""

    received: list[Received] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Path → status and JSON body."""
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    """Path → what must happen before the answer."""
    ready: bool = True
    """What it answers when Envoy asks; what Envoy asks by itself is not among the requests that it keeps."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one ASGI request."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        names = {key.decode(): value.decode() for key, value in scope["headers"]}
        request = Received(scope["method"], scope["path"], names, body)
        if request.path == READINESS:
            await _answer(send, 200 if self.ready else 503, {})
            return
        if request.path != JWKS:
            self.received.append(request)
        if request.path in self.hold:
            await self.hold[request.path].wait()
        status, answer = self.answers.get(request.path, (200, {"path": request.path, "headers": names}))
        await _answer(send, status, answer)


async def _answer(send: Any, status: int, body: Any) -> None:
    head = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


class _Quiet(_Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def serving(
    provider: Provider,
    port: int,
    *,
    cert: Path | None = None,
    key: Path | None = None,
    client_ca: Path | None = None,
) -> AsyncIterator[_Server]:
    """Serve on a port as services do; with a certificate by TLS, and with a client CA only to its holders."""
    config = uvicorn.Config(
        provider,
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_certfile=cert,
        ssl_keyfile=key,
        ssl_ca_certs=str(client_ca) if client_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE,
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[_bound(port)]))
    try:
        await until(lambda: server.started or task.done(), what="the provider")
        yield server
    finally:
        server.should_exit = True
        await task


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made
