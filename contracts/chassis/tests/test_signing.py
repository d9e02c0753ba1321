"""Signed exchange at a service: what holds comes in, what does not is refused, and every reply is signed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import StreamingResponse
from ndx_chassis.agreements import SignatureMissing, check
from ndx_chassis.app import ServiceSpec, build_app
from ndx_chassis.caller import Caller, CallerDep
from ndx_chassis.settings import ServiceSettings
from ndx_contracts.agreements import Agreement
from ndx_contracts.events import SigningKeyChanged
from ndx_contracts.signatures import Request as Sent
from ndx_contracts.signatures import SignatureInvalid, jwk
from ndx_contracts.signed_exchange import Reply, ReplyNotBound, sign_request, verify_reply

AGENCY, PROVIDER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {jwk(PROVIDER.public_key())["kid"]: PROVIDER.public_key()}
BY_GATEWAY = {"NDX-Agency": "H79.001", "NDX-System": "urn:ndx:agency:H79.001:his"}
router = APIRouter()


@router.post("/echo/{word}")
async def echo(word: str, request: Request, caller: CallerDep) -> dict[str, Any]:
    return {"signed": caller.signed, "bytes": len(await request.body())}


@router.get("/parts")
async def parts() -> StreamingResponse:
    return StreamingResponse(iter([b"a", b"b"]))


def published(*, revoked: bool = False, system: str = "his") -> SigningKeyChanged:
    public, now = jwk(AGENCY.public_key()), datetime.now(UTC)
    return SigningKeyChanged(
        key_id=public["kid"],
        agency="H79.001",
        system=system,
        x=public["x"],
        published_at=now,
        revoked_at=now if revoked else None,
    )


def service(folder: Path, *, uses_agreements: bool = True) -> FastAPI:
    file = folder / "replies.pem"
    file.write_bytes(PROVIDER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings = ServiceSettings(reply_key_file=file)
    made = build_app(ServiceSpec("test", "Test", settings, routers=[router], uses_agreements=uses_agreements))
    made.state.runtime.signing_keys.put(published())
    made.state.runtime.signing_keys.synchronised.set()
    return made


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return service(tmp_path)


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as made:
        yield made


def signed(body: bytes = b"{}") -> Sent:
    sent = Sent("POST", "https://gateway:8443/echo/a%20b?x=1", {"NDX-Request-Id": "r1"}, body)
    sign_request(AGENCY, sent)
    return sent


async def call(client: httpx.AsyncClient, sent: Sent) -> httpx.Response:
    path = sent.url.removeprefix("https://gateway:8443")
    return await client.request(sent.method, path, content=sent.body, headers=sent.headers | BY_GATEWAY)


def proven(sent: Sent, reply: httpx.Response) -> str:
    made = Reply(reply.status_code, dict(reply.headers), sent)
    return verify_reply(made, reply.content, KEYS).key_id


async def test_a_signed_call_is_answered_by_a_signed_reply(client: httpx.AsyncClient) -> None:
    sent = signed(b"0123")
    reply = await call(client, sent)
    assert reply.json() == {"signed": True, "bytes": 4}
    assert proven(sent, reply) in KEYS
    with pytest.raises(SignatureInvalid):
        proven(signed(b"other"), reply)


async def test_without_a_signature_the_reply_is_signed_all_the_same(client: httpx.AsyncClient) -> None:
    sent = Sent("POST", "https://gateway:8443/echo/a", {"ndx-request-id": "r2"}, b"")
    reply = await call(client, sent)
    assert reply.json()["signed"] is False
    assert proven(sent, reply) in KEYS


async def test_a_tampered_call_is_refused_and_the_refusal_is_signed(client: httpx.AsyncClient) -> None:
    sent = signed()
    sent.body = b"[]"
    reply = await call(client, sent)
    assert (reply.status_code, reply.json()["code"]) == (401, "signature-invalid")
    assert reply.headers["ndx-request-id"] == "r1"
    with pytest.raises(ReplyNotBound) as told:
        proven(sent, reply)
    assert told.value.proof.key_id in KEYS


@pytest.mark.parametrize("uses_agreements", [True, False])
@pytest.mark.parametrize("synchronised", [True, False])
async def test_no_refusal_either_proves_an_answer_to_a_question_that_was_not_asked(
    tmp_path: Path, *, uses_agreements: bool, synchronised: bool
) -> None:
    made = service(tmp_path, uses_agreements=uses_agreements)
    if not synchronised:
        made.state.runtime.signing_keys.put(published(revoked=True))
        made.state.runtime.signing_keys.synchronised.clear()
    never_asked, other = signed(b"A"), signed(b"B")
    other.headers["signature"] = never_asked.headers["signature"]
    other.headers["signature-input"] = never_asked.headers["signature-input"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://service") as client:
        reply = await call(client, other)
    code = "signature-invalid" if synchronised else "signing-key-not-synchronised"
    assert reply.json()["code"] == code
    with pytest.raises(SignatureInvalid):
        proven(never_asked, reply)


async def test_a_service_that_keeps_the_keys_itself_asks_for_them(tmp_path: Path) -> None:
    made = service(tmp_path, uses_agreements=False)
    asked = []

    async def ask(agency: str, system: str) -> dict[str, Ed25519PublicKey]:
        asked.append((agency, system))
        return {jwk(AGENCY.public_key())["kid"]: AGENCY.public_key()}

    made.state.runtime.signing_keys.ask = ask
    made.state.runtime.signing_keys.put(published(revoked=True))
    sent = signed()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://service") as client:
        reply = await call(client, sent)
    assert (reply.status_code, asked) == (200, [("H79.001", "his")])
    assert proven(sent, reply) in KEYS


@pytest.mark.parametrize("lines", [['{b};p="x, {a}, y"'], ["{a}", "{b}"], ["proxy=:QUJD:", '{b};p="x, {a}"']])
async def test_no_reply_proves_an_answer_to_a_question_that_was_not_asked(
    client: httpx.AsyncClient, lines: list[str]
) -> None:
    never_asked, sent = signed(b"A"), signed(b"B")
    a, b = never_asked.headers["signature"], sent.headers.pop("signature")
    given = [*(sent.headers | BY_GATEWAY).items(), *(("signature", line.format(a=a, b=b)) for line in lines)]
    reply = await client.post("/echo/a%20b?x=1", content=sent.body, headers=given)
    assert (reply.status_code, reply.json()["code"]) == (401, "signature-invalid")
    with pytest.raises(SignatureInvalid):
        proven(never_asked, reply)


async def test_a_revoked_key_is_refused(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.state.runtime.signing_keys.put(published(revoked=True))
    assert (await call(client, signed())).json()["code"] == "signature-invalid"


async def test_the_key_of_another_system_is_refused(client: httpx.AsyncClient) -> None:
    sent = signed()
    sent.headers |= {"ndx-agency": "H79.001", "ndx-system": "urn:ndx:agency:H79.001:lis"}
    reply = await client.post("/echo/a%20b?x=1", content=sent.body, headers=sent.headers)
    assert reply.json()["code"] == "signature-invalid"


async def test_before_all_keys_are_read_the_caller_is_asked_to_wait(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    app.state.runtime.signing_keys.put(published(revoked=True))
    app.state.runtime.signing_keys.synchronised.clear()
    reply = await call(client, signed())
    assert (reply.status_code, reply.json()["code"]) == (503, "signing-key-not-synchronised")


async def test_what_comes_in_parts_goes_out_unsigned(client: httpx.AsyncClient) -> None:
    reply = await client.get("/parts", headers=BY_GATEWAY)
    assert reply.content == b"ab"
    assert "signature" not in reply.headers


@pytest.mark.parametrize("holds", [True, False])
def test_an_agreement_can_ask_for_signed_calls(*, holds: bool) -> None:
    agreement = Agreement.model_validate(
        {
            "agreement_id": "DSA-H79.001-1",
            "version": 1,
            "state": "ACTIVE",
            "consumer_agency": "H79.001",
            "provider_agency": "G01",
            "operations": [{"operation": "population.get_person"}],
            "purposes": ["STATISTICS"],
            "legal_basis": {"text": "Law", "reference": "1/2020"},
            "valid_from": "2020-01-01",
            "conditions": {"signature_required": True},
        }
    )
    caller = Caller(
        "H79.001",
        "his",
        "DSA-H79.001-1",
        "STATISTICS",
        None,
        None,
        "r",
        "population.get_person",
        signed=holds,
    )
    if holds:
        check(agreement, caller, purpose_needed=True, now=datetime.now(UTC))
    else:
        with pytest.raises(SignatureMissing):
            check(agreement, caller, purpose_needed=True, now=datetime.now(UTC))
