"""Signing keys at the control plane: published with proof, shown to all, revoked with the moment."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.agencies import service as agencies
from gateway.closures.service import settings_of
from gateway.signing_keys import service
from gateway.signing_keys.schemas import SigningKeyIn
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller, Operator
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


class TestBounds:
    @pytest.fixture
    def service_settings(self, service_settings: dict[str, Any]) -> dict[str, Any]:
        return service_settings | {"signing_keys_in_force": 3, "signing_keys_a_day": 5}

    @pytest.fixture(autouse=True)
    async def system(self, hospital: dict[str, Any], post: Callable[..., Any]) -> None:
        for code in ("his", "lis"):
            await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": code}, 201)

    async def test_however_many_are_published_at_once_few_are_in_force(
        self, client: httpx.AsyncClient
    ) -> None:
        keys = [Ed25519PrivateKey.generate() for _ in range(8)]
        replies = await asyncio.gather(
            *(client.post(MINE, json=body_of(key), headers=CALLER) for key in keys)
        )
        assert sorted(reply.status_code for reply in replies) == [200] * 3 + [409] * 5
        assert {r.json()["code"] for r in replies if r.status_code == 409} == {"signing-keys-too-many"}
        # A key that is there is published again at each start of a service.
        held = next(key for key, reply in zip(keys, replies, strict=True) if reply.status_code == 200)
        assert (await client.post(MINE, json=body_of(held), headers=CALLER)).status_code == 200
        other = CALLER | {"NDX-System": "urn:ndx:agency:H79.001:lis"}
        reply = await client.post(
            MINE, json=body_of(Ed25519PrivateKey.generate(), system="lis"), headers=other
        )
        assert reply.status_code == 200

    async def test_revoking_makes_room_but_not_for_ever_new_ones(self, client: httpx.AsyncClient) -> None:
        for _ in range(5):
            made = await client.post(MINE, json=body_of(Ed25519PrivateKey.generate()), headers=CALLER)
            assert made.status_code == 200, made.text
            kid = made.json()["kid"]
            revoked = await client.post(f"{MINE}/{kid}/revoke", json={"reason": "replaced"}, headers=CALLER)
            assert revoked.status_code == 200
        late = await client.post(MINE, json=body_of(Ed25519PrivateKey.generate()), headers=CALLER)
        assert (late.status_code, late.json()["code"]) == (429, "signing-keys-too-often")
        assert 86_000 < int(late.headers["retry-after"]) <= 86_400

    async def test_an_agency_that_is_being_closed_gets_no_key(
        self, client: httpx.AsyncClient, runtime: Runtime
    ) -> None:
        who = Operator(agency="NDX", login="an", request_id="r1", operation="gateway.close_agency")
        async with runtime.sessions() as session, session.begin():
            await agencies.close(session, who, code="H79.001", reason="dissolved")
            waiting = asyncio.create_task(
                client.post(MINE, json=body_of(Ed25519PrivateKey.generate()), headers=CALLER)
            )
            # It comes as far as it can while the closing is not committed.
            await asyncio.wait([waiting], timeout=0.3)
        late = await waiting
        assert (late.status_code, late.json()["code"]) == (409, "agency-closed")
        again = await client.post(MINE, json=body_of(Ed25519PrivateKey.generate()), headers=CALLER)
        assert again.json()["code"] == "agency-closed"
        assert (await client.get("/v1/agencies/H79.001/signing-keys")).json()["keys"] == []

    async def test_a_key_published_while_its_agency_is_closed_ends_with_it(
        self, client: httpx.AsyncClient, post: Callable[..., Any], runtime: Runtime
    ) -> None:
        who = Caller("H79.001", "his", "", "", None, None, "r1", "gateway.publish_my_signing_key")
        wanted = SigningKeyIn.model_validate(body_of(Ed25519PrivateKey.generate()))
        async with runtime.sessions() as session, session.begin():
            await service.publish_key(session, who, wanted=wanted, settings=settings_of(runtime))
            closing = asyncio.create_task(
                post("NDX:an", "/v1/agencies/H79.001/close", {"reason": "dissolved"})
            )
            await asyncio.wait([closing], timeout=0.3)
        assert len((await closing)["signing_keys"]) == 1
        (key,) = (await client.get("/v1/agencies/H79.001/signing-keys")).json()["keys"]
        assert key["revoked_at"] is not None
