"""Starts a service: uvicorn with mutual TLS on its own port."""

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from uvicorn.config import create_ssl_context
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ndx_chassis.settings import ServiceSettings
from ndx_chassis.telemetry import configure_logging, configure_tracing, log

GC_THRESHOLDS = (20_000, 20, 50)
"""Allocations and generations between collections: a request makes thousands of short-lived objects."""
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


_LAST_MOMENT_SECONDS = 0.5
_MOST_GATHERED = 65_536
_LAST_REPLY = (b"connection", b"close")
_TICKS_BETWEEN_LOOKS = 10
"""A tick of uvicorn is a tenth of a second. A look asks when two files were written, and no more."""


class _InOnePiece(asyncio.Transport):
    """Sends what is written in one turn of the loop in one piece.

    A reply's head and its body are two writes; as two records of TLS in two packets they cost the sender and
    the receiver about a fifteenth of a lookup more.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._pieces:
            self._loop.call_soon(self._send)
        self._pieces.append(data)
        self._size += len(data)
        # A long answer is not gathered: whoever writes it has to feel that the other side reads slowly.
        if self._size > _MOST_GATHERED:
            self._send()

    def _send(self) -> None:
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        self._send()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._send()
        self._transport.set_protocol(protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()


class _Protocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Serve a connection."""
        super().connection_made(_InOnePiece(transport))


class _Server(uvicorn.Server):
    """Shows a renewed certificate to new connections; those that are open go on."""

    _seen: tuple[int, ...] = ()
    drain_seconds = 0.0
    on_leaving: Callable[[], None] | None = None
    _leaves_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Go on serving for a while after the first signal; another one ends it now."""
        if self.drain_seconds and self._leaves_at is None:
            self._captured_signals.append(sig)
            self._leaves_at = time.monotonic() + self.drain_seconds
            # Each reply from now on ends its connection: when the time is over hardly one is left to be cut.
            self.config.encoded_headers.append(_LAST_REPLY)
            self.server_state.default_headers.append(_LAST_REPLY)
            if self.on_leaving is not None:
                self.on_leaving()
            return
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        if self.config.ssl is not None:
            _harden(self.config.ssl)
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Do what uvicorn does ten times a second, and look at the certificate's file once a second."""
        if counter % _TICKS_BETWEEN_LOOKS == 0:
            self.take_renewed()
        if self._leaves_at is not None and time.monotonic() >= self._leaves_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; whoever connected at the last moment has a request on its way, and gets its answer first."""
        if self._leaves_at is not None:
            for server in self.servers:
                server.close()
            await asyncio.sleep(_LAST_MOMENT_SECONDS)
        await super().shutdown(sockets)

    def take_renewed(self) -> None:
        """Read again what is shown and whom callers' certificates must come from, when a file changed."""
        cert = self.config.ssl_certfile
        if cert is None or self.config.ssl is None:
            return
        watched = [cert, *([self.config.ssl_ca_certs] if self.config.ssl_ca_certs else [])]
        try:
            # A file may be away for a moment while another takes its place.
            changed = tuple(Path(file).stat().st_mtime_ns for file in watched)
            fresh = _context(self.config) if self._seen not in {(), changed} else None
        except (ssl.SSLError, OSError) as error:
            log.warning("certificate_not_loaded", error=type(error).__name__)
            return
        if fresh is not None:
            # What a listening context trusts only grows; another in its place may also trust less.
            self.config.ssl.sni_callback = lambda connection, _name, _own: setattr(
                connection, "context", fresh
            )
            log.info("certificate_renewed")
        self._seen = changed


def _context(config: uvicorn.Config) -> ssl.SSLContext:
    """Return what new connections are made with; TLS 1.3 alone."""
    made = create_ssl_context(
        certfile=str(config.ssl_certfile),
        keyfile=config.ssl_keyfile,
        password=None,
        ssl_version=config.ssl_version,
        cert_reqs=config.ssl_cert_reqs,
        ca_certs=config.ssl_ca_certs,
        ciphers=config.ssl_ciphers,
    )
    _harden(made)
    return made


def _harden(context: ssl.SSLContext) -> None:
    """Allow TLS 1.3 alone, and let each connection show its certificate.

    A resumed session would be taken by a listening context for as long as its ticket lives, also of a caller
    whose CA is not trusted any more.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0


def run(create_app: Callable[[SettingsT], FastAPI], settings: SettingsT) -> None:
    """Serve until a signal arrives; connections are finished first."""
    configure_logging(settings.service, settings.log_level)
    provider = configure_tracing(settings.service, settings.traces_exporter)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=_Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        # Who called is in headers of the gateway's own; nobody else's word about it counts.
        proxy_headers=False,
        date_header=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        ssl_ca_certs=str(settings.tls_client_ca_file) if settings.tls_client_ca_file else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_client_ca_file else ssl.CERT_NONE,
    )
    # What start-up made stays: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        server = _Server(config)
        server.drain_seconds = settings.drain_seconds
        server.on_leaving = lambda: setattr(app.state.runtime, "leaving", True)
        server.run()
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    finally:
        if provider is not None:
            provider.shutdown()
