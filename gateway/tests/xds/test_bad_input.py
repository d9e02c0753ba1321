"""Bad input at the doors of a real Envoy: refused in clear words, and no provider ever hears of it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from ndx_contracts.agreements import Quotas
from ndx_testing.bus import PERSON, Bus, agreement
from ndx_testing.envoy import until

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


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
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
    body = await _body(reader, headers)
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


class TestSmuggling:
    SECOND = get("/population/v1/persons/hidden")

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
            (["Transfer-Encoding: chunked", "Content-Length: 4"], b"0\r\n\r\n"),
            (["Content-Length: 4", "Content-Length: 5"], b"abcde"),
            (["Content-Length: 4", "Content-Length: 4"], b"abcd"),
            (["Content-Length: 4, 4"], b"abcd"),
            (["Content-Length: +4"], b"abcd"),
            (["Content-Length: -4"], b"abcd"),
            (["Content-Length: 0x4"], b"abcd"),
            (["Content-Length: 4 4"], b"abcd"),
            (["Content-Length: 99999999999999999999"], b"abcd"),
            (["Transfer-Encoding: x, chunked"], b"0\r\n\r\n"),
            (["Transfer-Encoding: chunked, x"], b"0\r\n\r\n"),
            (["Transfer-Encoding: identity"], b"abcd"),
            (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], b"0\r\n\r\n"),
            (["Transfer-Encoding : chunked"], b"0\r\n\r\n"),
            (["Transfer-Encoding:\x0bchunked"], b"0\r\n\r\n"),
            (["Transfer-Encoding: chunked"], b"zz\r\nabcd\r\n0\r\n\r\n"),
            (["Transfer-Encoding: chunked"], b"-4\r\nabcd\r\n0\r\n\r\n"),
            (["Transfer-Encoding: chunked"], b"fffffffffffffffff\r\nabcd\r\n0\r\n\r\n"),
        ],
    )
    async def test_a_body_whose_length_is_in_doubt_is_refused_with_all_that_follows(
        self, bus: Bus, headers: list[str], body: bytes
    ) -> None:
        found = await answers(bus, post(*headers, body=body) + self.SECOND)
        assert [status in {400, 501} for status, _ in found] == [True], found
        assert found[0][1]["code"] == "invalid-request"
        assert bus.provider.received == []

    @pytest.mark.parametrize(
        "request_",
        [
            get(PERSON, "X-A: 1\r\n NDX-Agency: G01"),
            get(PERSON, "X-A: 1\nNDX-Agency: G01"),
            get(PERSON, "X-A: 1\rNDX-Agency: G01"),
            get(PERSON).replace(b"\r\n", b"\n"),
        ],
        ids=["folded line", "bare line feed in a header", "bare carriage return", "bare line feeds"],
    )
    async def test_odd_line_ends_make_no_second_request_and_no_second_name(
        self, bus: Bus, request_: bytes
    ) -> None:
        """Envoy reads them as RFC 9112 allows, and writes one request anew: the provider sees no odd line."""
        assert [status for status, _ in await answers(bus, request_)] == [200]
        (seen,) = bus.provider.received
        assert seen.headers["ndx-agency"] == "G03"
        assert not {"\r", "\n"} & set("".join(seen.headers.values()))

    @pytest.mark.parametrize(
        "body",
        [b"4\nabcd\n0\n\n", b"4\r\nabcdefgh\r\n0\r\n\r\n", b"4;a=b\nc\r\nabcd\r\n0\r\n\r\n"],
        ids=["line feeds", "longer than said", "odd extension"],
    )
    async def test_odd_chunks_hide_no_request_from_the_decision(self, bus: Bus, body: bytes) -> None:
        """Where Envoy goes on reading, what follows is a request like any other, decided on by itself."""
        follows = get("/population/v1/admin-units")  # not covered by the agreement
        found = await answers(bus, post("Transfer-Encoding: chunked", body=body) + follows)
        assert found[0][0] in {200, 400}
        assert [problem["code"] for _, problem in found[1:]] in ([], ["no-agreement"])
        assert {(r.path, r.body) for r in bus.provider.received} <= {(VERIFY, b"abcd")}

    async def test_an_upgrade_is_refused_or_forgotten(self, bus: Bus) -> None:
        socket = await answers(bus, get(PERSON, "Connection: Upgrade", "Upgrade: websocket"))
        assert [(status, body["code"]) for status, body in socket] == [(403, "invalid-request")]
        assert bus.provider.received == []
        settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
        await answers(bus, get(PERSON, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", settings))
        (seen,) = bus.provider.received
        assert not {"upgrade", "http2-settings"} & set(seen.headers)

    async def test_connection_cannot_take_away_what_the_gateway_says(self, bus: Bus) -> None:
        await answers(bus, get(PERSON, "Connection: close, NDX-Agency, NDX-Agreement"))
        assert {"ndx-agency", "ndx-agreement"} <= set(bus.provider.received[0].headers)


class TestRequestLine:
    @pytest.mark.parametrize(
        ("line", "status"),
        [
            ("GET {} HTTP/1.0", 426),
            ("GET {} HTTP/2.0", 426),
            ("GET {}", 426),
            ("G@T {} HTTP/1.1", 400),
            ("CONNECT localhost:443 HTTP/1.1", 400),
            ("TRACE {} HTTP/1.1", 405),
            ("GET * HTTP/1.1", 400),
            ("GET population/v1/persons/1 HTTP/1.1", 400),
        ],
    )
    async def test_anything_but_a_plain_request_is_refused(self, bus: Bus, line: str, status: int) -> None:
        found = await answers(bus, get(line=line))
        assert [s for s, _ in found] == [status]
        assert found[0][1]["code"] in {"invalid-request", "method-not-allowed"}
        assert bus.provider.received == []

    @pytest.mark.parametrize("headers", [["Host: other"], ["X-A"], ["NDX Agency: G01"], ["NDX-Agency : G01"]])
    async def test_a_broken_header_is_refused(self, bus: Bus, headers: list[str]) -> None:
        found = await answers(bus, get(PERSON, *headers))
        assert [(status, body["code"]) for status, body in found] == [(400, "invalid-request")]
        assert bus.provider.received == []

    async def test_without_a_host_it_is_refused(self, bus: Bus) -> None:
        found = await answers(bus, f"GET {PERSON} HTTP/1.1\r\n\r\n".encode())
        assert [(status, body["code"]) for status, body in found] == [(400, "invalid-request")]


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/population/v1/persons/1%2f2",
            "/population/v1/persons/..%2Fadmin-units",
            "/population/v1/persons/1%5c2",
            "/population/v1/persons/1;a=b",
            "/population/v1/persons;a=b/1",
            "/population;x/v1/persons/1",
            "/population/v1/persons/1?a=1;b=2",
            "/population/v1/persons/%00",
            "/population/v1/persons/1#fragment",
            "/population/v1/persons/\xe1\xbb\x95",
        ],
    )
    async def test_what_two_readers_could_read_in_two_ways_is_refused(self, bus: Bus, path: str) -> None:
        found = await answers(bus, get(path))
        assert [(status, body["code"]) for status, body in found] == [(400, "invalid-request")]
        assert bus.provider.received == []

    @pytest.mark.parametrize(
        "path",
        [
            "/population/v1/persons/1\\2",
            "/population/v1/persons/1/",
            "/population/v1/persons/",
            "/POPULATION/v1/persons/1",
            "/population/v1/persons/%252e%252e/x",
            "/population/v1/persons/%c0%ae%c0%ae/x",
            "/population/v1/persons/../../../../etc/passwd",
            "/population/v1/%2e%2e/%2e%2e/x",
        ],
    )
    async def test_what_means_no_operation_is_none(self, bus: Bus, path: str) -> None:
        found = await answers(bus, get(path))
        assert [(status, body["code"]) for status, body in found] == [(404, "operation-unknown")]
        assert bus.provider.received == []

    @pytest.mark.parametrize(
        "path",
        [
            "/population/v1/persons/%2e%2e/persons/1",
            "/population/v1/./persons/1",
            "/population/v1/x/../persons/1",
            "/population/v1/admin-units/../persons/1",
            "//population//v1/persons/1",
            "/population/v1/%70ersons/1",
            "/population/v1/..;/v1/persons/1",
            "/../population/v1/persons/1",
        ],
    )
    async def test_another_spelling_is_decided_on_and_passed_on_in_one_form(
        self, bus: Bus, path: str
    ) -> None:
        """The provider gets the path on which the gateway has decided, never the one that was sent."""
        assert [status for status, _ in await answers(bus, get(path))] == [200]
        assert [r.path for r in bus.provider.received] == ["/population/v1/persons/1"]
        bus.provider.received.clear()
        await bus.apply(agreements=[agreement("DSA-G03-1", ["population.list_admin_units"])])
        found = await answers(bus, get(path))
        assert [(status, body["code"]) for status, body in found] == [(403, "no-agreement")]
        assert bus.provider.received == []


class TestHeaders:
    @pytest.mark.parametrize(
        "name", ["NDX-Purpose", "ndx-PURPOSE", "NDX-Officer", "NDX-Case-Id", "Idempotency-Key"]
    )
    async def test_what_is_said_twice_is_refused(self, bus: Bus, name: str) -> None:
        found = await answers(bus, get(PERSON, f"{name}: SOCIAL_INSURANCE", f"{name}: SOCIAL_INSURANCE"))
        assert [(status, body["code"]) for status, body in found] == [(400, "header-repeated")]
        assert bus.provider.received == []

    @pytest.mark.parametrize(
        "purpose", ["social_insurance", " SOCIAL_INSURANCE x", "SOCIAL_INSURANCE\t.", "*"]
    )
    async def test_a_purpose_is_written_as_it_is_or_it_is_another(self, bus: Bus, purpose: str) -> None:
        request = get().replace(b"SOCIAL_INSURANCE", purpose.encode())
        found = await answers(bus, request)
        assert [(status, body["code"]) for status, body in found] == [(400, "purpose-unknown")]
        assert bus.provider.received == []

    @pytest.mark.parametrize(
        "name", ["NDX-Agency", "nDx-aGeNcY", "NDX-System", "NDX-Certificate", "NDX-Agreement"]
    )
    async def test_who_calls_is_never_said_by_the_caller(self, bus: Bus, name: str) -> None:
        await answers(bus, get(PERSON, f"{name}: forged", f"{name}: forged"))
        assert "forged" not in str(bus.provider.received[0].headers)

    @pytest.mark.parametrize("name", ["NDX_Agency", "ndx_agency", "NDX_Purpose"])
    async def test_an_underscore_is_refused(self, bus: Bus, name: str) -> None:
        found = await answers(bus, get(PERSON, f"{name}: G01"))
        assert [(status, body["code"]) for status, body in found] == [(400, "invalid-request")]
        assert bus.provider.received == []

    async def test_two_request_ids_become_one(self, bus: Bus) -> None:
        one, other = "3d1f0d7e-0000-4000-8000-000000000000", "079190000017"
        await answers(bus, get(PERSON, f"NDX-Request-Id: {one}", f"NDX-Request-Id: {other}"))
        assert other not in bus.provider.received[0].headers["ndx-request-id"]


class TestSizes:
    @pytest.mark.parametrize(
        "request_",
        [
            get(PERSON, "X-A: " + "a" * 40_000),
            get(PERSON + "?" + "a" * 40_000),
            get(PERSON, *(f"X-{n}: a" for n in range(150))),
        ],
        ids=["one header", "path", "150 headers"],
    )
    async def test_headers_that_are_too_large_are_refused(self, bus: Bus, request_: bytes) -> None:
        found = await answers(bus, request_)
        assert [(status, body["code"]) for status, body in found] == [(431, "headers-too-large")]
        assert bus.provider.received == []

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_a_body_that_is_too_large_is_refused(self, bus: Bus, chunked: bool) -> None:
        size = 1_200_000
        if chunked:
            request = post("Transfer-Encoding: chunked", body=f"{size:x}\r\n".encode() + b"x" * size)
        else:
            request = post(f"Content-Length: {size}", body=b"x" * size)
        found = await answers(bus, request)
        assert [(status, body["code"]) for status, body in found] == [(413, "payload-too-large")]
        assert bus.provider.received == []


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
