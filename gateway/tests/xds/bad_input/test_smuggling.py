"""Two requests in one, and request lines that are none: no provider ever hears of them."""

import pytest
from ndx_testing.bus import PERSON, Bus

from .conftest import VERIFY, answers, get, post


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
