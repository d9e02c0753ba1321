"""Odd paths, headers and sizes: refused in clear words at the door."""

import pytest
from ndx_testing.bus import PERSON, Bus, agreement

from .conftest import answers, get, post


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
