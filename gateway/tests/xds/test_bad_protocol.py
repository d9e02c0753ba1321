"""TLS and HTTP/2 beyond what decent callers do, at a real Envoy: refused, and others are served on."""

import asyncio
import shutil
import socket
import ssl
import struct
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from ndx_testing.bus import NO_HANDSHAKE, PERSON, Bus

G03 = "urn:ndx:agency:G03:insurance-link"
PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, CONTINUATION = 0, 1, 3, 4, 7, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def context_of(live: Bus, *, copy: int = 0) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(live.pki.folder / "agency-ca.crt"))
    context.load_cert_chain(*live.pki.client(G03, copy=copy))
    return context


async def still_served(live: Bus) -> None:
    async with live.caller("G03:insurance-link") as client:
        assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200


def shakes_hands(live: Bus, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession:
    """Connect and call once; return the TLS session, with which the next connection could be resumed."""
    with (
        socket.create_connection(("127.0.0.1", live.settings.listener_port), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname="localhost", session=session) as tls,
    ):
        tls.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := tls.recv(4096):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 404")
        assert tls.session is not None
        return tls.session


class TestTls:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
    async def test_old_versions_are_refused(self, live: Bus, version: ssl.TLSVersion) -> None:
        context = context_of(live)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(shakes_hands, live, context)

    @pytest.mark.parametrize(
        ("cipher", "accepted"),
        [
            ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
            ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
            ("ECDHE-ECDSA-AES128-SHA", False),
            ("ECDHE-ECDSA-AES256-SHA384", False),
            ("AES128-GCM-SHA256", False),
            ("AES256-SHA", False),
        ],
    )
    async def test_only_ciphers_with_forward_secrecy_and_authentication_are_taken(
        self, live: Bus, cipher: str, accepted: bool
    ) -> None:
        context = context_of(live)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
        if accepted:
            await asyncio.to_thread(shakes_hands, live, context)
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.to_thread(shakes_hands, live, context)

    async def test_a_revoked_certificate_cannot_resume_a_session(self, live: Bus) -> None:
        file, _ = live.pki.client(G03, copy=7)
        revoked = x509.load_pem_x509_certificate(file.read_bytes())
        context = context_of(live, copy=7)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = await asyncio.to_thread(shakes_hands, live, context)
        await asyncio.to_thread(shakes_hands, live, context, session)
        await live.apply(material=live.pki.material([revoked]))
        with pytest.raises((*NO_HANDSHAKE, ConnectionError, AssertionError)):
            await asyncio.to_thread(shakes_hands, live, context, session)

    @pytest.mark.skipif(
        shutil.which("openssl") is None, reason="Python has no way to ask for a renegotiation"
    )
    async def test_a_renegotiation_asked_for_by_the_caller_ends_the_connection(self, live: Bus) -> None:
        certificate, key = live.pki.client(G03)
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{live.settings.listener_port}", "-tls1_2"),
            *("-servername", "localhost", "-cert", str(certificate), "-key", str(key)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(60):
            said = await process.stdout.readuntil(b"Verify return code")
        assert b"Cipher is ECDHE" in said
        process.stdin.write(b"R\n")
        await process.stdin.drain()
        async with asyncio.timeout(60):
            rest = await process.stdout.read()
        assert b"RENEGOTIATING" in rest
        assert await process.wait() != 0
        await still_served(live)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def _number(value: int, prefix: int) -> bytes:
    """Return an integer of RFC 7541, section 5.1, whose first byte has no other bits set."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes((value,))
    found = bytearray((most,))
    value -= most
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def block(*fields: tuple[str, str]) -> bytes:
    """Return header fields as literals without indexing (RFC 7541, section 6.2.2)."""
    return b"".join(
        b"\x00" + _number(len(name), 7) + name.encode() + _number(len(value), 7) + value.encode()
        for name, value in fields
    )


def request(method: str = "GET", path: str = PERSON, *further: tuple[str, str]) -> bytes:
    return block(
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("ndx-purpose", "SOCIAL_INSURANCE"),
        *further,
    )


@dataclass
class Http2:
    """A connection on which any frame can be sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: list[tuple[int, int, int, bytes]] = field(default_factory=list)

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def read_until_closed(self, seconds: float = 60, *, resets: int = 1000) -> bool:
        """Read all frames; tell whether the gateway closed the connection or reset so many streams."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.resets()) < resets:
                    await self._one()
                return True
        except (asyncio.IncompleteReadError, OSError):
            return True
        except TimeoutError:
            return False

    async def _one(self) -> tuple[int, int, int, bytes]:
        head = await self.reader.readexactly(9)
        payload = await self.reader.readexactly(int.from_bytes(head[:3]))
        found = (head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF, payload)
        self.frames.append(found)
        return found

    async def end_of(self, stream: int) -> list[int]:
        """Return the kinds of the frames of a stream, until it is ended by either side."""
        async with asyncio.timeout(60):
            while True:
                kind, flags, number, _ = await self._one()
                over = kind == RST_STREAM or (kind in {DATA, HEADERS} and flags & END_STREAM)
                if number == stream and over:
                    return [k for k, _, n, _ in self.frames if n == stream]

    def resets(self) -> dict[int, int]:
        """Return stream → error code of those that were reset."""
        return {n: int.from_bytes(p) for k, _, n, p in self.frames if k == RST_STREAM}


@asynccontextmanager
async def http2(live: Bus) -> AsyncIterator[Http2]:
    context = context_of(live)
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", live.settings.listener_port, ssl=context, server_hostname="localhost"
    )
    made = Http2(reader, writer)
    made.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(SETTINGS, 0, 0), frame(SETTINGS, ACK, 0))
    try:
        yield made
    finally:
        writer.close()


@contextmanager
def nobody_hears(live: Bus):
    live.provider.received.clear()
    yield
    assert live.provider.received == []


class TestHttp2:
    async def test_a_decent_request_is_served(self, live: Bus) -> None:
        async with http2(live) as peer:
            peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, request()))
            assert HEADERS in await peer.end_of(1)
        assert [r.path for r in live.provider.received] == [PERSON]

    async def test_streams_that_are_reset_at_once_end_the_connection(self, live: Bus) -> None:
        """HTTP/2 rapid reset (CVE-2023-44487): no provider hears of it, and others are served on."""
        with nobody_hears(live):
            async with http2(live) as peer:
                for stream in range(1, 2001, 2):
                    peer.send(
                        frame(HEADERS, END_HEADERS, stream, request("POST", "/population/v1/persons/verify")),
                        frame(RST_STREAM, 0, stream, (8).to_bytes(4)),
                    )
                assert await peer.read_until_closed()
        await still_served(live)

    async def test_headers_without_end_end_the_connection(self, live: Bus) -> None:
        """CONTINUATION flood (CVE-2024-30255)."""
        with nobody_hears(live):
            async with http2(live) as peer:
                peer.send(frame(HEADERS, 0, 1, request()))
                filler = block(*((f"x-{n}", "a" * 100) for n in range(100)))
                peer.send(*(frame(CONTINUATION, 0, 1, filler) for _ in range(100)))
                assert await peer.read_until_closed(resets=1)
        await still_served(live)

    @pytest.mark.parametrize(
        "further",
        [
            [("x-a", "a" * 40_000)],
            [(f"x-{n}", "a") for n in range(150)],
            [("cookie", "a=b")] * 150,
        ],
        ids=["one header", "150 headers", "150 crumbs of a cookie"],
    )
    async def test_headers_that_are_too_large_are_refused(
        self, live: Bus, further: list[tuple[str, str]]
    ) -> None:
        whole = request("GET", PERSON, *further)
        parts = [whole[i : i + 16_000] for i in range(0, len(whole), 16_000)]
        with nobody_hears(live):
            async with http2(live) as peer:
                peer.send(frame(HEADERS, END_STREAM | (END_HEADERS if len(parts) == 1 else 0), 1, parts[0]))
                for n, part in enumerate(parts[1:], 2):
                    peer.send(frame(CONTINUATION, END_HEADERS if n == len(parts) else 0, 1, part))
                kinds = await peer.end_of(1)
        # Without an answer of its own where the headers cannot even be read whole.
        assert kinds[-1] in {RST_STREAM, DATA}
        await still_served(live)

    @pytest.mark.parametrize(
        "fields",
        [
            request("GET", PERSON, ("transfer-encoding", "chunked")),
            request("GET", PERSON, ("connection", "close")),
            request("GET", PERSON, ("NDX-Agency", "G01")),
            request("GET", PERSON, (":path", "/population/v1/persons/1")),
            request("GET", PERSON, ("x-a", "1\r\nndx-agency: G01")),
            request("GET", PERSON, ("content-length", "4")),
            block((":method", "GET"), (":scheme", "https"), (":authority", "localhost")),
            block((":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "")),
        ],
        ids=[
            "transfer-encoding",
            "connection",
            "capital letters",
            "two paths",
            "line break",
            "content-length without content",
            "no path",
            "empty path",
        ],
    )
    async def test_a_malformed_request_is_reset_and_the_next_one_served(
        self, live: Bus, fields: bytes
    ) -> None:
        with nobody_hears(live):
            async with http2(live) as peer:
                peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, fields))
                kinds = await peer.end_of(1)
                assert kinds[-1] == RST_STREAM
                assert live.provider.received == []
                peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, request()))
                assert HEADERS in await peer.end_of(3)
                live.provider.received.clear()

    async def test_a_hundred_streams_at_once_and_no_more(self, live: Bus) -> None:
        verify = request("POST", "/population/v1/persons/verify")
        with nobody_hears(live):
            async with http2(live) as peer:
                peer.send(*(frame(HEADERS, END_HEADERS, stream, verify) for stream in range(1, 301, 2)))
                assert await peer.read_until_closed(resets=50)
        await still_served(live)
