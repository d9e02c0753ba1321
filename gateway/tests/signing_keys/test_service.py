"""Signing keys at the control plane: published with proof, shown to all, revoked with the moment."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ndx_contracts.events import SigningKeyChanged
from ndx_contracts.signatures import Request, jwk
from ndx_contracts.signed_exchange import prove, sign_request

pytestmark = pytest.mark.integration
CALLER = {"NDX-Agency": "H79.001", "NDX-System": "urn:ndx:agency:H79.001:his", "NDX-Request-Id": "r1"}
MINE = "/v1/signing-keys/mine"


def body_of(key: Ed25519PrivateKey, agency: str = "H79.001", system: str = "his") -> dict[str, str]:
    return {"x": jwk(key.public_key())["x"], "proof": prove(key, agency, system)}


async def test_a_key_is_published_once_shown_and_revoked(
    hospital: dict[str, Any], post: Callable[..., Any], client: httpx.AsyncClient
) -> None:
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    for key in (old, old, new):
        reply = await client.post(MINE, json=body_of(key), headers=CALLER)
        assert reply.status_code == 200, reply.text
        assert reply.json()["kid"] == jwk(key.public_key())["kid"]
    kid = jwk(old.public_key())["kid"]
    stranger = CALLER | {"NDX-System": "urn:ndx:agency:H79.001:lis"}
    why = {"reason": "replaced"}
    assert (await client.post(f"{MINE}/{kid}/revoke", json=why, headers=stranger)).status_code == 404
    assert (await client.post(f"{MINE}/{kid}/revoke", json=why, headers=CALLER)).status_code == 200
    shown = (await client.get("/v1/agencies/H79.001/signing-keys")).json()["keys"]
    assert [(k["kid"] == kid, k["revoked_at"] is not None) for k in shown] == [(True, True), (False, False)]
    mine = await client.get(MINE, headers=CALLER)
    assert (mine.status_code, mine.json()["keys"]) == (200, shown)
    again = await client.post(MINE, json=body_of(old), headers=CALLER)
    assert (again.status_code, again.json()["code"]) == (409, "signing-key-taken")
    revoked = await post("NDX:an", f"/v1/signing-keys/{shown[1]['kid']}/revoke", why)
    assert revoked["revoked_at"] is not None


async def test_nobody_publishes_a_key_that_is_not_theirs(
    hospital: dict[str, Any], post: Callable[..., Any], client: httpx.AsyncClient
) -> None:
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    key = Ed25519PrivateKey.generate()
    for wrong in (
        body_of(key, system="lis"),
        body_of(key) | {"proof": prove(Ed25519PrivateKey.generate(), "H79.001", "his")},
    ):
        reply = await client.post(MINE, json=wrong, headers=CALLER)
        assert (reply.status_code, reply.json()["code"]) == (400, "signing-key-unproven")


async def test_a_key_under_which_anything_verifies_is_refused(
    hospital: dict[str, Any], post: Callable[..., Any], client: httpx.AsyncClient
) -> None:
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    point = b"\x01" + bytes(31)
    body = {
        "x": base64.urlsafe_b64encode(point).decode().rstrip("="),
        "proof": base64.b64encode(point + bytes(32)).decode(),
    }
    reply = await client.post(MINE, json=body, headers=CALLER)
    assert (reply.status_code, reply.json()["code"]) == (400, "signing-key-unproven")


async def test_published_several_times_at_once_it_is_there_once_and_all_are_told_so(
    hospital: dict[str, Any], post: Callable[..., Any], client: httpx.AsyncClient, emitted: Callable[..., Any]
) -> None:
    for system in ("his", "lis"):
        await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": system}, 201)
    key = Ed25519PrivateKey.generate()
    other = CALLER | {"NDX-System": "urn:ndx:agency:H79.001:lis"}
    wanted = [(body_of(key), CALLER)] * 3 + [(body_of(key, system="lis"), other)] * 3
    replies = await asyncio.gather(*(client.post(MINE, json=body, headers=who) for body, who in wanted))
    told = [(reply.status_code, reply.json().get("system", reply.json().get("code"))) for reply in replies]
    one = next(system for status, system in told if status == 200)
    mine, theirs = (told[:3], told[3:]) if one == "his" else (told[3:], told[:3])
    assert (set(mine), set(theirs)) == ({(200, one)}, {(409, "signing-key-taken")})
    assert [e["data"]["system"] for e in await emitted() if e["type"] == SigningKeyChanged.TYPE] == [one]


async def test_a_signed_call_to_the_control_plane_is_checked_by_the_keys_of_this_moment(
    hospital: dict[str, Any], post: Callable[..., Any], client: httpx.AsyncClient
) -> None:
    await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    key, why = Ed25519PrivateKey.generate(), b'{"reason":"replaced"}'
    path = f"{MINE}/{jwk(key.public_key())['kid']}/revoke"

    async def revoke(body: bytes) -> tuple[int, str | None]:
        sent = Request("POST", f"https://gateway:8443{path}", {"NDX-Request-Id": "r1"}, why)
        sign_request(key, sent)
        more = CALLER | {"content-type": "application/json"}
        headers = {name.lower(): value for name, value in (sent.headers | more).items()}
        reply = await client.post(path, content=body, headers=headers)
        return reply.status_code, reply.json().get("code")

    assert await revoke(why) == (401, "signature-invalid")
    assert (await client.post(MINE, json=body_of(key), headers=CALLER)).status_code == 200
    assert await revoke(b'{"reason":"by somebody else"}') == (401, "signature-invalid")
    assert await revoke(why) == (200, None)
    assert await revoke(why) == (401, "signature-invalid")
