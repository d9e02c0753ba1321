"""Closing an agency: nothing that it held works any more, and everything that was stays on record."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.certificates import service as certificates
from gateway.certificates.schemas import RenewalIn
from ndx_chassis.app import Runtime
from ndx_contracts.signatures import jwk
from ndx_contracts.signed_exchange import prove
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
NUMBER = "DSA-H79.001-1"
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}
WHY = {"reason": "dissolved by decision 12/2026"}
CLOSE = "/v1/agencies/H79.001/close"


def csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
async def enrolled(post: Do, hospital: Any, client: httpx.AsyncClient) -> dict[str, Any]:
    """Give a hospital that holds one of everything: a certificate, a key, an agreement and its amendment."""
    code = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    body = {"enrolment_code": code["enrolment_code"], "csr_pem": csr()}
    issued: dict[str, Any] = (await client.post("/v1/certificates", json=body)).json()
    key = Ed25519PrivateKey.generate()
    proof = {"x": jwk(key.public_key())["x"], "proof": prove(key, "H79.001", "his")}
    caller = {
        "NDX-Agency": "H79.001",
        "NDX-System": "urn:ndx:agency:H79.001:his",
        "NDX-Request-Id": "r1",
    }
    assert (await client.post("/v1/signing-keys/mine", json=proof, headers=caller)).status_code == 200
    await post("NDX:an", "/v1/agreements", TERMS, 201)
    await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
    await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")
    await post("NDX:an", f"/v1/agreements/{NUMBER}/amendments", TERMS | {"valid_to": "2030-01-01"}, 201)
    return issued


class TestClose:
    @pytest.mark.parametrize("suspended_before", [False, True])
    async def test_what_it_held_ends_with_it(
        self, enrolled: dict[str, Any], post: Do, read: Do, emitted: Do, *, suspended_before: bool
    ):
        if suspended_before:
            await post("NDX:an", "/v1/agencies/H79.001/suspend", WHY)
        closed = await post("NDX:an", CLOSE, WHY)
        assert closed["agency"]["state"] == "CLOSED"
        assert closed["agreements"] == [NUMBER]
        assert closed["certificates"] == [enrolled["serial"]]
        assert len(closed["signing_keys"]) == 1
        certificate = await read("NDX:an", f"/v1/certificates/{enrolled['serial']}")
        assert (certificate["state"], certificate["cause"]) == ("REVOKED", "CESSATION_OF_OPERATION")
        (key,) = (await read("NDX:an", "/v1/agencies/H79.001/signing-keys"))["keys"]
        assert key["revoked_at"] is not None
        told = await emitted()
        agencies = [e["data"]["state"] for e in told if e["type"] == "gateway.agency-changed.v1"]
        assert agencies[-1] == "CLOSED"
        agreements = [e["data"]["state"] for e in told if e["type"] == "gateway.agreement-changed.v1"]
        assert agreements[-1] == "TERMINATED"

    async def test_the_history_says_why(self, enrolled: Any, post: Do, read: Do, session: AsyncSession):
        await post("NDX:an", CLOSE, WHY)
        history = (await read("NDX:an", f"/v1/agreements/{NUMBER}/history"))["items"]
        assert [(h["version"], h["action"]) for h in history[-2:]] == [(2, "withdraw"), (1, "terminate")]
        assert all(WHY["reason"] in h["reason"] for h in history[-2:])
        found = await session.execute(
            text("SELECT actor, details->>'reason' FROM audit_entries WHERE action = 'agency_closed'")
        )
        assert [tuple(row) for row in found] == [("operator/NDX:an", WHY["reason"])]

    async def test_there_is_no_way_back(self, enrolled: Any, post: Do):
        await post("NDX:an", CLOSE, WHY)
        again = await post("NDX:an", CLOSE, WHY, 409)
        back = await post("NDX:an", "/v1/agencies/H79.001/reactivate", WHY, 409)
        assert (again["code"], back["code"]) == ("transition-refused", "transition-refused")
        same = {"code": "H79.001", "name": "Một nơi khác", "name_en": "Another", "agency_class": "HEALTH"}
        assert (await post("NDX:an", "/v1/agencies", same, 409))["code"] == "agency-exists"

    async def test_nothing_new_is_given_to_it(self, enrolled: Any, post: Do, client: httpx.AsyncClient):
        open_code = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "lab"}, 201)
        await post("NDX:an", CLOSE, WHY)
        late = {"enrolment_code": open_code["enrolment_code"], "csr_pem": csr()}
        assert (await client.post("/v1/certificates", json=late)).json()["code"] == "enrolment-code-invalid"
        for path, body in (
            ("/v1/agencies/H79.001/systems", {"code": "ward"}),
            ("/v1/agencies/H79.001/systems/his/enrolment-codes", None),
            ("/v1/agreements", TERMS),
        ):
            assert (await post("NDX:an", path, body, 409))["code"] == "agency-closed"

    async def test_only_operators_with_the_role_close(self, enrolled: Any, post: Do):
        assert (await post("NDX:mai", CLOSE, WHY, 403))["code"] == "role-missing"


class TestAtOnce:
    async def test_what_a_renewal_gets_meanwhile_ends_as_well(
        self, enrolled: dict[str, Any], post: Do, read: Do, runtime: Runtime
    ):
        peer = certificates.Peer(enrolled["fingerprint_sha256"], "r1")
        settings = certificates.issuing_settings(runtime)
        async with runtime.sessions() as session, session.begin():
            wanted = RenewalIn(csr_pem=csr())
            made = await certificates.renew_certificate(session, wanted=wanted, peer=peer, settings=settings)
            closing = asyncio.create_task(post("NDX:an", CLOSE, WHY))
            # It comes as far as it can while the renewal is not committed.
            await asyncio.wait([closing], timeout=0.5)
        assert sorted((await closing)["certificates"]) == sorted([enrolled["serial"], made.serial])


class TestProvider:
    async def test_one_that_provides_a_service_is_not_closed(self, enrolled: Any, post: Do):
        refused = await post("NDX:an", "/v1/agencies/G03/close", WHY | {"cut_off": True}, 409)
        assert refused["code"] == "agency-in-use"
        assert "insurance" in refused["detail"]

    async def test_others_agreements_are_ended_by_decision_only(
        self, enrolled: Any, post: Do, read: Do, runtime: Any, monkeypatch: pytest.MonkeyPatch
    ):
        # Its service went to a successor; the agreements made with it are still there.
        monkeypatch.setitem(runtime.settings.service_owners, "insurance", "G01")
        refused = await post("NDX:an", "/v1/agencies/G03/close", WHY, 409)
        assert (refused["code"], NUMBER in refused["detail"]) == ("agency-in-use", True)
        assert (await read("NDX:an", f"/v1/agreements/{NUMBER}"))["state"] == "ACTIVE"
        closed = await post("NDX:an", "/v1/agencies/G03/close", WHY | {"cut_off": True})
        assert closed["provided_agreements"] == [NUMBER]
        # Its own officers decide nothing any more, and their certificates are worth nothing.
        assert len(closed["certificates"]) == 1
        late = await post("G03:giang", f"/v1/agreements/{NUMBER}/approve", None, 403)
        assert late["code"] == "role-missing"
