"""Calls of webhooks: mutual TLS, a signed body, and nothing that an endpoint does holds the caller long."""

import asyncio
import socket
import ssl
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import aiohttp
from ndx_contracts.signatures import Request, Signer
from yarl import URL

from gateway.feeds.addresses import Network, may_be_called
from gateway.feeds.lookups import Names
from gateway.feeds.messages import Letter
from gateway.feeds.tls_sessions import Sessions, resuming

TAG = "ndx-feed"
_MOST_BODY = 16_384
_BODY_SECONDS = 1.0
_CONNECT_SECONDS = 3.0
_OK, _REDIRECT = 200, 300
_AWAY = frozenset({408, 425, 429})
_LONGEST_WAIT = 3600
_SERVER_ERROR = 500
_CONTEXTS = 256
"""TLS settings that are kept; to make them costs half as much as a handshake."""
_NAMES = Names(64, "webhook-names")
_SESSIONS = Sessions()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one call: `error` is a code, never the endpoint's words."""

    status: int | None
    error: str | None
    duration_ms: int
    retry_after: int | None = None

    @property
    def delivered(self) -> bool:
        return self.status is not None and _OK <= self.status < _REDIRECT

    @property
    def is_refusal(self) -> bool:
        """Tell whether the endpoint is there and does not want this event; a redirect counts as that."""
        if self.status is None or self.delivered:
            return False
        return self.status < _SERVER_ERROR and self.status not in _AWAY


@dataclass(frozen=True, slots=True)
class Identity:
    """The exchange as a caller of webhooks: its certificate, its signing key, and whom it may call."""

    certificate: Path
    key: Path
    exchange_ca: Path
    signer: Signer
    listed: tuple[Network, ...]
    seconds: float

    def context(self, ca_pem: str | None, *, fresh: bool = False) -> ssl.SSLContext:
        """Return the TLS settings for an endpoint; with fresh ones it shows its certificate each time.

        Raises:
            OSError: the CA or the own certificate cannot be used.
        """
        files = [self.certificate, self.key] if ca_pem else [self.certificate, self.key, self.exchange_ca]
        written = tuple(file.stat().st_mtime_ns for file in files)
        return _context(*files, ca_pem=ca_pem, written=written, fresh=fresh)


@lru_cache(maxsize=_CONTEXTS)
def _context(
    certificate: Path,
    key: Path,
    ca_file: Path | None = None,
    *,
    ca_pem: str | None,
    written: tuple[int, ...],
    fresh: bool,
) -> ssl.SSLContext:
    """Make the settings once for all endpoints under one CA, anew when a file was `written` again."""
    del written
    authority = None if ca_file is None else str(ca_file)
    context = ssl.create_default_context(cafile=authority, cadata=ca_pem)
    if not fresh:
        context = resuming(_SESSIONS, context)
        context.load_verify_locations(authority, cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


class _AddressRefused(OSError):
    pass


class Line:
    """An open line to one endpoint; connections are kept between calls."""

    def __init__(self, url: str, ca_pem: str | None, identity: Identity, *, fresh: bool = False) -> None:
        self.url = url
        self._fresh = fresh
        self.ca_pem = ca_pem
        self._identity = identity
        self._session: aiohttp.ClientSession | None = None
        self._context: ssl.SSLContext | None = None
        self._address_refused = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection, if there is one."""
        if self._session is not None:
            await self._session.close()

    def is_current(self, identity: Identity) -> bool:
        """Tell whether a new line would be made with the same settings."""
        try:
            return identity is self._identity and self._settings(identity) is self._context
        except OSError:
            return False

    def _settings(self, identity: Identity) -> ssl.SSLContext:
        return identity.context(self.ca_pem, fresh=self._fresh)

    def _socket(self, place: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        """Open a socket for an address about to be called: what a name means is decided here, not before."""
        family, kind, proto, _, address = place
        if not may_be_called(str(address[0]), self._identity.listed):
            self._address_refused = True
            raise _AddressRefused("address refused")
        made = socket.socket(family, kind, proto)
        made.settimeout(0)
        return made

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._context = self._settings(self._identity)
            connector = aiohttp.TCPConnector(
                ssl=self._context,
                limit=1,
                resolver=_NAMES,
                use_dns_cache=False,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._identity.seconds, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent",),
            )
        return self._session

    async def look(self) -> Answer:
        """Ask whether anybody answers there, without saying anything: any answer will do."""
        answer = await self._call("OPTIONS", {}, b"")
        if answer.status is None:
            return answer
        return Answer(_OK, None, answer.duration_ms)

    async def post(self, letter: Letter) -> Answer:
        """Send one signed event."""
        url = str(URL(self.url))
        request = Request("POST", url, dict(letter.headers), letter.body)
        self._identity.signer.sign(request, tag=TAG)
        return await self._call("POST", request.headers, letter.body)

    async def _call(self, method: str, headers: dict[str, str], body: bytes) -> Answer:
        start = time.monotonic()
        self._address_refused = False
        status, wait, error = None, None, None
        sent = {"User-Agent": "ndx-feeds/1", **headers}
        try:
            # The outer limit holds for whatever the inner ones might not see.
            async with asyncio.timeout(self._identity.seconds):
                reply = await self._http().request(
                    method, URL(self.url), data=body or None, headers=sent, allow_redirects=False
                )
                status, wait = reply.status, _seconds(reply.headers.get("Retry-After", ""))
                await _put_away(reply)
        except Exception as failure:  # noqa: BLE001 - whatever an endpoint does becomes an attempt with a code
            error = "address-refused" if self._address_refused else _code(failure)
        if status is not None and not _OK <= status < _REDIRECT:
            error = "redirect-refused" if _REDIRECT <= status < 400 else f"status-{status}"  # noqa: PLR2004
        return Answer(status, error, int((time.monotonic() - start) * 1000), wait)


async def _put_away(reply: aiohttp.ClientResponse) -> None:
    """Read a short body, so that the connection can be used again; give up on any other."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            read = 0
            async for chunk in reply.content.iter_chunked(4096):
                read += len(chunk)
                if read > _MOST_BODY:
                    break
            else:
                reply.release()
                return
    except (TimeoutError, aiohttp.ClientError):
        pass
    reply.close()


def _seconds(value: str) -> int | None:
    return min(int(value), _LONGEST_WAIT) if value.isdigit() and len(value) < 10 else None  # noqa: PLR2004


_CODES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorCertificateError, "certificate-not-trusted"),
    (ssl.SSLCertVerificationError, "certificate-not-trusted"),
    (aiohttp.ClientSSLError, "tls-failed"),
    (ssl.SSLError, "tls-failed"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "name-unknown"),
    (aiohttp.ClientConnectorError, "not-reachable"),
    (aiohttp.ClientOSError, "connection-lost"),
    (aiohttp.ServerDisconnectedError, "connection-lost"),
    (aiohttp.ClientError, "answer-unreadable"),
    (ValueError, "answer-unreadable"),
    (OSError, "not-reachable"),
)
"""In the order in which they are tried."""


def _code(failure: Exception) -> str:
    return next((code for kind, code in _CODES if isinstance(failure, kind)), type(failure).__name__)


class Lines:
    """Lines whose call has ended, kept for the next event of the same webhook; so many and no more.

    A connection that is kept was looked at when it was made, and its peer has shown its certificate then.
    """

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._idle: OrderedDict[tuple[UUID, str, str | None], Line] = OrderedDict()

    async def take(self, of: UUID, url: str, ca_pem: str | None, identity: Identity) -> "Line":
        """Return the line to a webhook, which nobody else has then."""
        line = self._idle.pop((of, url, ca_pem), None)
        if line is not None and line.is_current(identity):
            return line
        if line is not None:
            await line.close()
        return Line(url, ca_pem, identity)

    async def give_back(self, of: UUID, line: "Line") -> None:
        """Keep a line; the one that was idle for longest has to go for it."""
        self._idle[of, line.url, line.ca_pem] = line
        while len(self._idle) > self._most:
            await self._idle.popitem(last=False)[1].close()

    async def close(self) -> None:
        """End them all."""
        while self._idle:
            await self._idle.popitem()[1].close()
