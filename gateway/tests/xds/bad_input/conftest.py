"""A real Envoy with a provider that counts what reaches it, and raw connections to it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ndx_contracts.agreements import Quotas
from ndx_testing.bus import PERSON, Bus, agreement

G03 = "urn:ndx:agency:G03:insurance-link"
VERIFY = "/population/v1/persons/verify"
HOST = ("Host: localhost", "NDX-Purpose: SOCIAL_INSURANCE")
Answer = tuple[int, dict[str, Any]]
"""Status and body."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def context_of(live: Bus, protocol: str = "http/1.1", *, certificate: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(live.pki.folder / "agency-ca.crt"))
    if certificate:
        context.load_cert_chain(*live.pki.client(G03))
    context.set_alpn_protocols([protocol])
    return context


@asynccontextmanager
async def connected(live: Bus, context: ssl.SSLContext, *, port: int | None = None) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port or live.settings.listener_port, ssl=context, server_hostname="localhost"
    )
    try:
        yield reader, writer
    finally:
        writer.close()


async def answers(live: Bus, data: bytes, *, port: int | None = None) -> list[Answer]:
    """Send bytes and return the answers, each with its status and its JSON body, until nothing more comes."""
    context = context_of(live, certificate=port is None)
    found: list[Answer] = []
    async with connected(live, context, port=port) as (reader, writer):
        writer.write(data)
        while True:
            # Providers are looked at besides: a second answer that comes late would not go unseen.
            answer = await next_answer(reader, 0.3 if found else 60)
            if answer is None:
                return found
            if answer[0] >= 200:
                found.append(answer)


async def body_of(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


async def next_answer(
    reader: asyncio.StreamReader, seconds: float = 4.0
) -> tuple[int, dict[str, Any]] | None:
    """Return the next answer, or None when the connection ends or nothing comes."""
    try:
        async with asyncio.timeout(seconds):
            head = await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return None
    lines = head.decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    body = await body_of(reader, headers)
    problem = json.loads(body) if body else {}
    if int(lines[0].split()[1]) >= 400:
        assert headers["content-type"] == "application/problem+json"
        assert problem["instance"].startswith("urn:ndx:request:")
        assert len(problem["instance"]) > len("urn:ndx:request:")
    return int(lines[0].split()[1]), problem


def get(path: str = PERSON, *headers: str, line: str = "GET {} HTTP/1.1") -> bytes:
    lines = [line.format(path), *HOST, *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(*headers: str, body: bytes = b"") -> bytes:
    return get(VERIFY, *headers, line="POST {} HTTP/1.1") + body


@pytest.fixture
async def bus(live: Bus) -> Bus:
    """Give a bus on which G03 may verify persons: so nothing but the bad input stands in the way."""
    terms = {"quotas": Quotas(per_second=1000, burst=1000)}
    wanted = agreement("DSA-G03-1", ["population.get_person", "population.verify_person"], **terms)
    await live.apply(agreements=[wanted])
    live.provider.received.clear()
    return live
