"""Calls that must be refused, each with its own code, and without any effect."""

import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from ndx_demo import walk
from ndx_demo.door import Door
from ndx_demo.enrolment import enrol_system

PERSON = "/population/v1/persons/{}?fields=birth_name"


def make_certificate(folder: Path, uri: str, *, ca: Path | None, days: tuple[int, int]) -> tuple[Path, Path]:
    """Make a client certificate, signed by a CA of ours or by a stranger's."""
    key = ec.generate_private_key(ec.SECP256R1())
    if ca is None:
        ca_key, issuer = (
            ec.generate_private_key(ec.SECP256R1()),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")]),
        )
    else:
        loaded = serialization.load_pem_private_key(ca.with_suffix(".key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        ca_key, issuer = loaded, x509.load_pem_x509_certificate(ca.read_bytes()).subject
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    cert_file, key_file = folder / "c.crt", folder / "c.key"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


def issuing_ca(system) -> Path:
    """Return the newest generation of the agency CA: there may have been a rotation."""
    return max(system.stack.paths.pki.glob("agency-ca*.crt"), key=lambda file: file.stat().st_mtime)


class TestCertificates:
    @pytest.mark.parametrize(("case", "days"), [("stranger", (-1, 30)), ("expired", (-30, -1))])
    def test_wrong_ca_and_expired_end_in_the_handshake(self, system, tmp_path: Path, case: str, days) -> None:
        ca = None if case == "stranger" else issuing_ca(system)
        cert, key = make_certificate(tmp_path, "urn:ndx:agency:H79.001:his", ca=ca, days=days)
        door = Door(system.description["gateway_url"], cert, key, system.stack.paths.pki / "gateway-ca.crt")
        with door, pytest.raises(httpx.HTTPError):
            door.get("/v1/services")

    def test_no_certificate_ends_in_the_handshake(self, system) -> None:
        context = ssl.create_default_context(cafile=str(system.stack.paths.pki / "gateway-ca.crt"))
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{system.description['gateway_url']}/v1/services", verify=context)

    def test_unknown_system_with_a_good_certificate(self, system, tmp_path: Path) -> None:
        ca = issuing_ca(system)
        cert, key = make_certificate(tmp_path, "urn:ndx:agency:Z99:ghost", ca=ca, days=(-1, 30))
        known = system.stack.paths.pki / "gateway-ca.crt"
        with Door(system.description["gateway_url"], cert, key, known) as door:
            reply = door.get("/v1/services")
        assert (reply.status_code, reply.json()["code"]) == (403, "agency-unknown")

    def test_a_revoked_certificate_stops_on_the_open_connection(self, system) -> None:
        context = ssl.create_default_context(cafile=str(system.stack.paths.pki / "gateway-ca.crt"))
        name = f"t{uuid4().hex[:8]}"
        with (
            system.door("NDX-an") as operator,
            httpx.Client(base_url=system.description["citizen_url"], verify=context) as public,
        ):
            found = enrol_system(operator, public, system.stack.paths.pki, "B01", name)
            with Door(system.description["gateway_url"], found.certificate, found.key, found.ca) as door:
                wait_for(lambda: door.get("/v1/services").status_code == 200)
                pem = found.certificate.read_bytes()
                serial = format(x509.load_pem_x509_certificate(pem).serial_number, "x")
                reply = operator.post(f"/v1/certificates/{serial}/revoke", {"reason": "lost"})
                assert reply.status_code == 200, reply.text
                started = time.monotonic()
                wait_for(lambda: door.get("/v1/services").status_code == 403)
                assert door.get("/v1/services").json()["code"] == "certificate-revoked"
                assert time.monotonic() - started < 5
        fresh = Door(system.description["gateway_url"], found.certificate, found.key, found.ca)
        with fresh, pytest.raises(httpx.HTTPError):
            fresh.get("/v1/services")


def wait_for(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("did not come true in time")


class TestPurposesAndIdentity:
    def test_missing_purpose(self, system, walked) -> None:
        with system.door("X26740/one-stop") as door:
            reply = door.get(PERSON.format(walked.child_personal_id))
        assert (reply.status_code, reply.json()["code"]) == (400, "purpose-missing")
        assert walked.child_personal_id not in reply.text

    def test_uncovered_purpose(self, system, walked) -> None:
        with system.door("X26740/one-stop") as door:
            reply = door.get(PERSON.format(walked.child_personal_id), purpose="STATISTICS")
        assert (reply.status_code, reply.json()["code"]) == (403, "purpose-not-covered")

    def test_a_forged_agency_header_changes_nothing(self, system, walked) -> None:
        with system.door("B01/core") as door:
            reply = door.get(
                PERSON.format(walked.child_personal_id),
                purpose="SOCIAL_INSURANCE",
                NDX_Agency="G03",
                NDX_System="insurance-link",
                NDX_Agreement="DSA-G03-1",
            )
        assert (reply.status_code, reply.json()["code"]) == (403, "no-agreement")

    def test_a_field_group_outside_the_agreement_is_named(self, system, walked) -> None:
        with system.door("X26740/one-stop") as door:
            url = f"/population/v1/persons/{walked.child_personal_id}?fields=birth_name,religion"
            reply = door.get(url, purpose="CIVIL_REGISTRATION")
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        assert "religion" in reply.json()["detail"]

    def test_a_number_that_does_not_exist(self, system, walked) -> None:
        del walked
        with system.door("X26740/one-stop") as door:
            reply = door.get(PERSON.format("079299999999"), purpose="CIVIL_REGISTRATION")
        assert reply.status_code == 404
        assert "079299999999" not in reply.text

    def test_a_person_outside_the_administrative_scope_looks_like_nobody(self, system, walked) -> None:
        with system.door("X00070/one-stop") as door:
            reply = door.get(PERSON.format(walked.child_personal_id), purpose="CIVIL_REGISTRATION")
        assert (reply.status_code, reply.json()["code"]) == (404, "person-not-found")

    def test_an_unknown_operation(self, system) -> None:
        with system.door("X26740/one-stop") as door:
            assert door.get("/population/v1/everything").json()["code"] == "operation-unknown"
            assert door.get("/nowhere").json()["code"] == "operation-unknown"

    def test_an_agency_cannot_act_as_operator(self, system) -> None:
        with system.door("B01/core") as door:
            reply = door.post("/v1/agencies", {"code": "Q1"})
        assert (reply.status_code, reply.json()["code"]) == (403, "operator-required")

    def test_the_citizen_door_wants_a_token(self, system) -> None:
        context = ssl.create_default_context(cafile=str(system.stack.paths.pki / "gateway-ca.crt"))
        with httpx.Client(base_url=system.description["citizen_url"], verify=context) as client:
            reply = client.get("/population/v1/me/disclosures", headers={"NDX-Citizen": str(uuid4())})
            assert (reply.status_code, reply.json()["code"]) == (401, "token-missing")


class TestBodies:
    def declaration(self) -> dict:
        mark = uuid4().hex[:6].translate(str.maketrans("0123456789", "ghijklmnop"))
        born = date(2024, 1, 1) + timedelta(days=uuid4().int % 600)
        return walk.birth_of(
            given=f"Thử {mark}", sex="MALE", born=born, mother=("", f"Đỗ Thị {mark}"), father=None
        )

    def send(self, system, body, **options):
        with system.door("X26740/one-stop") as door:
            headers = {"NDX-Purpose": "CIVIL_REGISTRATION", "Content-Type": "application/json"}
            return door.request("POST", "/civil-registry/v1/births", headers=headers, **options)

    def test_malformed_json(self, system) -> None:
        reply = self.send(system, None, content=b'{"office": ')
        assert (reply.status_code, reply.json()["code"]) == (400, "malformed-json")

    def test_wrong_types_and_impossible_dates(self, system) -> None:
        body = self.declaration()
        body["child"]["birth_date"] = "2025-02-30"
        body["office"] = 7
        reply = self.send(system, None, json=body)
        assert reply.status_code == 422
        assert {"body.child.birth_date", "body.office"} <= {e["field"] for e in reply.json()["errors"]}

    def test_an_impossible_number(self, system) -> None:
        body = self.declaration()
        body["mother"]["personal_id"] = "12345"
        reply = self.send(system, None, json=body)
        assert reply.status_code == 422
        assert "12345" not in reply.text

    def test_two_megabytes(self, system) -> None:
        reply = self.send(system, None, content=b'{"x": "' + b"a" * 2_000_000 + b'"}')
        assert (reply.status_code, reply.json()["code"]) == (413, "payload-too-large")

    def test_one_key_one_birth(self, system) -> None:
        body, key = self.declaration(), uuid4().hex
        with system.door("X26740/one-stop") as door:
            first = door.post("/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=key)
            second = door.post("/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=key)
            body["child"]["given_name"] = "Khác"
            changed = door.post("/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=key)
        assert first.status_code == 201, first.text
        assert second.json()["personal_id"] == first.json()["personal_id"]
        assert (changed.status_code, changed.json()["code"]) == (422, "idempotency-key-reused")

    def test_the_same_birth_at_the_same_instant_is_registered_once(self, system) -> None:
        body = self.declaration()

        def send(_: int) -> httpx.Response:
            with system.door("X26740/one-stop") as door:
                return door.post(
                    "/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=uuid4().hex
                )

        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(send, range(4)))
        assert [r.status_code for r in replies].count(201) == 1, [r.text[:200] for r in replies]


class TestLimitsAndBackDoors:
    def test_a_burst_is_refused_with_a_time_to_wait(self, system, walked) -> None:
        with system.door("B01/core") as door:
            url = f"/population/v1/persons/{walked.child_personal_id}/verify"
            codes = []
            for _ in range(40):
                reply = door.post(url, {"claims": []}, purpose="CREDIT_INSTITUTION_KYC")
                codes.append(reply.status_code)
                if reply.status_code == 429:
                    assert reply.json()["code"] == "burst-exceeded"
                    assert int(reply.headers["retry-after"]) >= 1
                    return
        raise AssertionError(f"never refused: {codes}")

    @pytest.mark.parametrize("service", ["population", "civil-registry", "insurance", "tax", "identity"])
    def test_a_service_port_takes_nobody_but_the_gateway(self, system, service: str) -> None:
        port = system.description["ports"][service]
        pki = system.stack.paths.pki
        found = system.enrolment.systems["H79.001/his"]
        for with_certificate in (False, True):
            context = ssl.create_default_context(cafile=str(pki / "internal-ca.crt"))
            if with_certificate:
                context.load_cert_chain(found.certificate, found.key)
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"https://localhost:{port}/health/live", verify=context)
