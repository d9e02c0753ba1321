"""Certificates from enrolment code to revocation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway.certificates import service
from ndx_chassis.app import Runtime

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


def csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
async def code(post: Do, hospital: Any) -> str:
    made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    return str(made["enrolment_code"])


@pytest.fixture
async def issued(client: httpx.AsyncClient, code: str) -> dict[str, Any]:
    reply = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
    assert reply.status_code == 201, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


class TestIssue:
    async def test_the_certificate_names_the_enrolled_system(self, issued: dict[str, Any]):
        made = x509.load_pem_x509_certificate(issued["certificate_pem"].encode())
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [n.value for n in names] == ["urn:ndx:agency:H79.001:his"]
        made.verify_directly_issued_by(x509.load_pem_x509_certificate(issued["ca_pem"].encode()))

    async def test_the_first_certificate_makes_the_agency_active(self, issued: Any, read: Do):
        listed = (await read("NDX:an", "/v1/agencies"))["items"]
        assert {a["code"]: a["state"] for a in listed}["H79.001"] == "ACTIVE"

    async def test_a_code_works_once(self, issued: Any, client: httpx.AsyncClient, code: str):
        again = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
        assert (again.status_code, again.json()["code"]) == (403, "enrolment-code-invalid")

    async def test_a_refused_request_does_not_use_the_code_up(self, client: httpx.AsyncClient, code: str):
        bad = {"enrolment_code": code, "csr_pem": "x" * 200}
        assert (await client.post("/v1/certificates", json=bad)).json()["code"] == "csr-refused"
        good = await client.post("/v1/certificates", json={"enrolment_code": code, "csr_pem": csr()})
        assert good.status_code == 201

    async def test_a_suspended_agency_gets_none(self, issued: Any, post: Do, client: httpx.AsyncClient):
        fresh = await post("NDX:an", "/v1/agencies/H79.001/systems/his/enrolment-codes", {}, 201)
        await post("NDX:an", "/v1/agencies/H79.001/suspend", {"reason": "misuse found"})
        body = {"enrolment_code": fresh["enrolment_code"], "csr_pem": csr()}
        assert (await client.post("/v1/certificates", json=body)).status_code == 403


class TestRevoke:
    async def test_it_is_in_the_list_and_among_the_fingerprints(
        self, issued: dict[str, Any], post: Do, runtime: Runtime, state_dir: Path
    ):
        # As openssl prints serials: upper case, with colons and leading zeros.
        serial = "00:" + issued["serial"].upper()
        reason = {"reason": "key was stolen"}
        revoked = await post("NDX:an", f"/v1/certificates/{serial}/revoke", reason)
        assert revoked["state"] == "REVOKED"
        async with runtime.sessions() as session:
            prints = await service.revoked_fingerprints(session)
            crl = x509.load_pem_x509_crl((await service.crl_pem(session, state_dir)).encode())
        assert prints == {"urn:ndx:agency:H79.001:his": [issued["fingerprint_sha256"]]}
        assert [format(entry.serial_number, "x") for entry in crl] == [issued["serial"]]

    async def test_once_is_enough(self, issued: dict[str, Any], post: Do):
        path = f"/v1/certificates/{issued['serial']}/revoke"
        await post("NDX:an", path, {"reason": "key was stolen"})
        again = await post("NDX:an", path, {"reason": "key was stolen"}, 409)
        assert again["code"] == "certificate-revoked-already"

    async def test_it_needs_the_role(self, issued: dict[str, Any], post: Do):
        path = f"/v1/certificates/{issued['serial']}/revoke"
        assert (await post("NDX:mai", path, {"reason": "curious"}, 403))["code"] == "role-missing"

    async def test_a_first_operators_certificate_can_be_revoked(self, post: Do, read: Do):
        listed = (await read("NDX:an", "/v1/certificates?agency=G04"))["items"]
        assert [c["system"] for c in listed] == ["operator:hai"]
        path = f"/v1/certificates/{listed[0]['serial']}/revoke"
        assert (await post("NDX:an", path, {"reason": "left the office"}))["state"] == "REVOKED"
