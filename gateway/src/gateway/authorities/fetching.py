"""Fetches a revocation list from where its authority publishes it; nothing there holds the caller long."""

import asyncio
import socket
from typing import Any

import aiohttp
from yarl import URL

from gateway.feeds.addresses import Network, may_be_called
from gateway.feeds.lookups import Names

_CONNECT_SECONDS = 5.0
_OK = 200
_NAMES = Names(16, "revocation-lists-names")


class ListNotFetched(Exception):
    """Why there is no list: a code, never the other side's words."""


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

    connector = aiohttp.TCPConnector(resolver=_NAMES, use_dns_cache=False, socket_factory=opened)
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
