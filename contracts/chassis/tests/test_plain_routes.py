"""Plain routes: served without FastAPI, and nobody who calls can tell."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import APIRouter
from ndx_chassis.app import ServiceSpec, build_app
from ndx_chassis.caller import CallerDep, caller_of
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.middleware import PlainRoute
from ndx_chassis.settings import ServiceSettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BY_GATEWAY = {"NDX-Agency": "H79.001", "NDX-System": "urn:ndx:agency:H79.001:his", "NDX-Request-Id": "r-1"}
DOORS = ["plain", "usual"]
"""The same operation by both ways."""


class Gone(DomainError):
    kind = Kind.GONE
    code = "gone"
    title = "Gone"
    title_vi = "Không còn"


def outcome(word: str, length: int) -> dict[str, object]:
    if word == "gone":
        raise Gone
    if word == "crash":
        raise KeyError("079226000017")
    if word == "away":
        raise ConnectionRefusedError
    return {"word": word, "bytes": length}


async def plain(request: Request) -> Response:
    caller = caller_of(request)
    answer = outcome(request.path_params["word"], len(await request.body()))
    return JSONResponse({**answer, "agency": caller.agency, "purpose": caller.purpose})


router = APIRouter()


@router.post("/usual/{word}")
async def usual(word: str, request: Request, caller: CallerDep) -> dict[str, object]:
    answer = outcome(word, len(await request.body()))
    return {**answer, "agency": caller.agency, "purpose": caller.purpose}


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    file = tmp_path / "replies.pem"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    route = PlainRoute(
        Route("/plain/{word}", plain, methods=["POST"], name="plain"), {"operationId": "plain"}
    )
    settings = ServiceSettings(reply_key_file=file, max_body_bytes=1024)
    app = build_app(ServiceSpec("test", "Test", settings, routers=[router], plain_routes=[route]))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        client.headers.update(BY_GATEWAY)
        yield client


async def parts() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"x" * 500


@pytest.mark.parametrize("door", DOORS)
class TestBothDoors:
    @pytest.mark.parametrize(
        ("word", "status", "code"),
        [("gone", 410, "gone"), ("crash", 500, "internal-error"), ("away", 503, "service-unavailable")],
    )
    async def test_errors_become_problems_without_the_words_of_an_exception(
        self, client: httpx.AsyncClient, door: str, word: str, status: int, code: str
    ):
        reply = await client.post(f"/{door}/{word}")
        assert (reply.status_code, reply.json()["code"]) == (status, code)
        assert reply.headers["content-type"] == "application/problem+json"
        assert "079226000017" not in reply.text

    async def test_the_reply_is_signed_and_carries_the_request_id_once(
        self, client: httpx.AsyncClient, door: str
    ):
        reply = await client.post(f"/{door}/yes", content=b"12345")
        assert reply.json() == {"word": "yes", "bytes": 5, "agency": "H79.001", "purpose": ""}
        assert reply.headers.get_list("ndx-request-id") == ["r-1"]
        assert '"ndx-request-id"' in reply.headers["signature-input"]

    @pytest.mark.parametrize("declared", [True, False])
    async def test_a_body_over_the_limit(self, client: httpx.AsyncClient, door: str, declared: bool):
        reply = await client.post(f"/{door}/yes", content=b"x" * 1500 if declared else parts())
        assert (reply.status_code, reply.json()["code"]) == (413, "payload-too-large")
        assert reply.headers["ndx-request-id"] == "r-1"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    async def test_another_method(self, client: httpx.AsyncClient, door: str, method: str):
        assert (await client.request(method, f"/{door}/yes")).status_code == 405

    async def test_nobody_whom_the_gateway_does_not_name(self, client: httpx.AsyncClient, door: str):
        reply = await client.post(f"/{door}/yes", headers={"NDX-System": ""})
        assert (reply.status_code, reply.json()["code"]) == (401, "caller-unknown")

    async def test_what_may_come_once(self, client: httpx.AsyncClient, door: str):
        purposes = [(b"ndx-purpose", b"SOCIAL_INSURANCE"), (b"ndx-purpose", b"JUDICIAL_PROCEEDINGS")]
        named = [(name.lower().encode(), value.encode()) for name, value in BY_GATEWAY.items()]
        reply = await client.post(f"/{door}/yes", headers=[*named, *purposes])
        assert (reply.status_code, reply.json()["code"]) == (400, "header-repeated")

    async def test_it_is_counted_by_its_template(self, client: httpx.AsyncClient, door: str):
        await client.post(f"/{door}/gone")
        page = (await client.get("/metrics")).text
        assert f'http_response_status_code="410",http_route="/{door}/{{word}}"' in page


async def test_a_path_beside_it_is_unknown(client: httpx.AsyncClient):
    reply = await client.post("/plain/yes/more")
    assert (reply.status_code, reply.json()["code"]) == (404, "operation-unknown")
