"""The client: what it sends, and what its exceptions say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from ndx_client import GatewayUnreachable, NdxClient, NotConfigured, Refused

Answer = Callable[[httpx.Request], httpx.Response]
ALLOWED = {
    "operation": "population.get_person",
    "method": "GET",
    "path": "/population/v1/persons/{personal_id}",
    "agreement": "DSA-G03-1",
    "purposes": ["SOCIAL_INSURANCE"],
    "field_groups": ["birth_name"],
    "per_second": 50,
}


def client(answer: Answer) -> NdxClient:
    return NdxClient("https://gateway", transport=httpx.MockTransport(answer))


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {
        "type": f"/problems/{code}",
        "title": "No",
        "status": status,
        "detail": "Because.",
        "instance": "urn:ndx:request:r-1",
        "code": code,
        **more,
    }
    return httpx.Response(status, json=body, headers={"retry-after": "2"})


class TestCall:
    def test_headers_and_path(self):
        seen: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json={})

        client(answer).call(
            "GET /population/v1/persons/{personal_id}",
            path={"personal_id": "079226000017"},
            purpose="SOCIAL_INSURANCE",
            case_id="C-1",
            officer="o-7",
        )
        (request,) = seen
        assert request.url.path == "/population/v1/persons/079226000017"
        assert request.headers["ndx-purpose"] == "SOCIAL_INSURANCE"
        assert request.headers["ndx-case-id"] == "C-1"
        assert request.headers["ndx-officer"] == "o-7"
        assert request.headers["ndx-request-id"]
        assert "idempotency-key" not in request.headers

    def test_a_member_of_the_path_cannot_leave_its_place(self):
        def answer(request: httpx.Request) -> httpx.Response:
            assert request.url.raw_path == b"/x/..%2Fy%3Fz"
            return httpx.Response(200, json={})

        client(answer).call("GET /x/{member}", path={"member": "../y?z"})

    def test_a_post_gets_a_key_of_its_own_each_time(self):
        keys: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            keys.append(request.headers["idempotency-key"])
            return httpx.Response(201, json={})

        caller = client(answer)
        for _ in range(2):
            caller.call("POST /x", json={"a": 1})
        caller.call("POST /x", json={"a": 1}, idempotency_key="mine")
        assert len(set(keys)) == 3
        assert keys[2] == "mine"

    def test_an_operation_is_found_by_its_name_once(self):
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            return httpx.Response(200, json={"items": [ALLOWED]})

        caller = client(answer)
        for _ in range(2):
            caller.call("population.get_person", path={"personal_id": "1"})
        assert asked == ["/v1/allowed-operations", *["/population/v1/persons/1"] * 2]

    def test_what_is_not_allowed_is_told_before_calling(self):
        caller = client(lambda _: httpx.Response(200, json={"items": []}))
        with pytest.raises(NotConfigured, match="no agreement in force"):
            caller.call("population.get_person")

    @pytest.mark.parametrize("wrong", ["", "get", "GET persons", "Population.x"])
    def test_what_is_neither_a_name_nor_a_path(self, wrong: str):
        with pytest.raises(NotConfigured):
            client(lambda _: httpx.Response(200)).call(wrong)

    def test_a_missing_member(self):
        with pytest.raises(NotConfigured, match="personal_id"):
            client(lambda _: httpx.Response(200)).call("GET /x/{personal_id}")


class TestRefusals:
    def test_a_problem_is_an_exception_with_advice(self):
        with pytest.raises(Refused) as caught:
            client(lambda _: problem(403, "purpose-not-covered")).call("GET /x")
        refused = caught.value
        assert (refused.status, refused.code, refused.retry_after) == (403, "purpose-not-covered", 2)
        assert "ndx allowed" in refused.advice

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status": "x"}'])
    def test_an_answer_that_is_no_problem_document(self, body: bytes):
        with pytest.raises(Refused) as caught:
            client(lambda _: httpx.Response(502, content=body)).call("GET /x")
        assert (caught.value.status, caught.value.code) == (502, "unknown")

    def test_no_answer(self):
        def answer(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        with pytest.raises(GatewayUnreachable):
            client(answer).call("GET /x")


class TestConfiguration:
    def test_a_missing_file_names_its_setting(self, tmp_path: Path):
        with pytest.raises(NotConfigured) as caught:
            NdxClient("https://gateway", cert=tmp_path / "no.crt", key=tmp_path / "no.key")
        assert "NDX_CERT" in caught.value.advice

    def test_a_certificate_needs_its_key(self, tmp_path: Path):
        (tmp_path / "a.crt").write_text("x")
        with pytest.raises(NotConfigured):
            NdxClient("https://gateway", cert=tmp_path / "a.crt")


def test_advice_exists_for_the_codes_of_the_gateway():
    from ndx_client.advice import next_step

    codes = json.loads(
        '["certificate-revoked","agency-unknown","agency-suspended","no-agreement","purpose-not-covered",'
        '"agreement-suspended","purpose-missing","operation-unknown","burst-exceeded","provider-unavailable"]'
    )
    assert all(next_step(code) for code in codes)
