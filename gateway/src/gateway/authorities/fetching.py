"""Fetches a revocation list from where its authority publishes it; nothing there holds the caller long."""

import asyncio
import socket
from typing import Any

import aiohttp
from cryptography import x509
from yarl import URL

from gateway.authorities.errors import RevocationListRefused
from gateway.certificates import authority
from gateway.feeds.addresses import Network, may_be_called

_CONNECT_SECONDS = 5.0
_OK = 200
_PEM = b"-----BEGIN"


class ListNotFetched(Exception):
    """Why there is no list: a code, never the other side's words."""


def pem_of(data: bytes) -> str:
    """Return a list in PEM form, which came in that or in DER form (RFC 5280, section 4.2.1.13).

    Raises:
        RevocationListRefused: it is neither.
    """
    if data.lstrip().startswith(_PEM):
        return data.decode("ascii", "replace")
    try:
        return authority.list_pem(x509.load_der_x509_crl(data))
    except ValueError:
        raise RevocationListRefused("This is no revocation list.") from None


async def fetch(url: str, *, inner: tuple[Network, ...], seconds: float, most_bytes: int) -> bytes:
    """Return what lies there; redirects are not followed, and inner addresses are called only if listed.

    Raises:
        ListNotFetched
    """
    refused = False

    def opened(place: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        # What a name means is decided here, at the address that is about to be called.
        nonlocal refused
        family, kind, proto, _, address = place
        if not may_be_called(str(address[0]), inner):
            refused = True
            raise OSError("address refused")
        made = socket.socket(family, kind, proto)
        made.settimeout(0)
        return made

    connector = aiohttp.TCPConnector(use_dns_cache=False, socket_factory=opened)
    limits = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(
                connector=connector,
                timeout=limits,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.get(URL(url), allow_redirects=False, headers={"User-Agent": "ndx-lists/1"}) as reply,
        ):
            if reply.status != _OK:
                raise ListNotFetched(f"status-{reply.status}")
            found = bytearray()
            async for chunk in reply.content.iter_chunked(65_536):
                found += chunk
                if len(found) > most_bytes:
                    raise ListNotFetched("too-large")
            return bytes(found)
    except TimeoutError:
        raise ListNotFetched("timeout") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ListNotFetched("address-refused" if refused else _code(error)) from None


def _code(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls-failed"
    return "not-reachable" if isinstance(error, (OSError, aiohttp.ClientConnectionError)) else "unreadable"
