"""Slow callers and many from one source keep nobody else waiting."""

import asyncio
import ssl
from dataclasses import replace

import pytest
from ndx_testing.bus import PERSON, Bus
from ndx_testing.envoy import until

from .conftest import connected, context_of, next_answer, post


class TestSlowCallers:
    """A door waits for 10 s (handshake, headers) and 30 s (all of it)."""

    @pytest.fixture
    async def hasty(self, bus: Bus) -> Bus:
        """Give a bus whose doors wait for 1 s and 2 s once the hands are shaken."""
        await bus.apply(doors=replace(bus.base.doors, request_headers_seconds=1.0, request_seconds=2.0))
        return bus

    async def test_slow_headers(self, hasty: Bus) -> None:
        async with connected(hasty, context_of(hasty)) as (reader, writer):
            writer.write(f"GET {PERSON} HTTP/1.1\r\n".encode())
            found = asyncio.ensure_future(next_answer(reader, 60))
            while not found.done():
                writer.write(b"X-A: a\r\n")
                await asyncio.sleep(0.2)
            answer = await found
        assert answer is not None
        assert (answer[0], answer[1]["code"]) == (408, "request-timeout")
        assert hasty.provider.received == []

    async def test_a_slow_body(self, hasty: Bus) -> None:
        async with connected(hasty, context_of(hasty)) as (reader, writer):
            writer.write(post("Content-Length: 1000"))
            found = asyncio.ensure_future(next_answer(reader, 60))
            while not found.done():
                writer.write(b"x")
                await asyncio.sleep(0.2)
            answer = await found
        assert answer is not None
        assert (answer[0], answer[1]["code"]) == (408, "request-timeout")
        assert hasty.provider.received == []

    async def test_a_slow_handshake(self, bus: Bus) -> None:
        await bus.apply(doors=replace(bus.base.doors, handshake_seconds=1.0))
        for first in (b"", b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", bus.settings.listener_port)
            writer.write(first)
            async with asyncio.timeout(60):
                assert await reader.read() == b""
            writer.close()

    async def test_many_slow_callers_keep_nobody_waiting(self, bus: Bus) -> None:
        context = context_of(bus)
        async with bus.caller("G03:insurance-link") as client:
            slow = [await _slow(bus, context) for _ in range(60)]
            answer = await client.get(PERSON, headers={"NDX-Purpose": "SOCIAL_INSURANCE"})
            assert answer.status_code == 200
            for writer in slow:
                writer.close()


async def _slow(bus: Bus, context: ssl.SSLContext) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(
        "127.0.0.1", bus.settings.listener_port, ssl=context, server_hostname="localhost"
    )
    writer.write(b"GET / HTTP/1.1\r\n")
    return writer


class TestSources:
    async def test_one_address_cannot_flood_the_enrolment(self, live: Bus) -> None:
        """The doors of these tests let 2 calls per second and address through, those of operation 100."""
        async with live.citizen() as client:

            async def enrol() -> str:
                answer = await client.post("/v1/certificates", json={})
                return "let in" if answer.status_code == 200 else str(answer.json()["code"])

            async def many() -> list[str]:
                return [await enrol() for _ in range(8)]

            codes = [code for some in await asyncio.gather(*(many() for _ in range(8))) for code in some]
            assert set(codes) == {"let in", "burst-exceeded"}
            assert len(live.provider.received) == codes.count("let in") < len(codes)

            async def let_in() -> bool:
                return await enrol() == "let in"

            assert await until(let_in, what="the bucket to fill")
