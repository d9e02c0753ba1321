"""Calls that must be refused, each with its own code, and without any effect."""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from ndx_demo.door import Door
from ndx_demo.enrolment import enrol_system
from ndx_testing.bus import NO_HANDSHAKE

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
        with door, pytest.raises(NO_HANDSHAKE):
            door.get("/v1/services")
        self.the_door_is_there(system)

    @staticmethod
    def the_door_is_there(system) -> None:
        with system.door("H79.001/his") as door:
            assert door.get("/v1/services").status_code == 200

    def test_no_certificate_ends_in_the_handshake(self, system) -> None:
        context = ssl.create_default_context(cafile=str(system.stack.paths.pki / "gateway-ca.crt"))
        with pytest.raises(NO_HANDSHAKE):
            httpx.get(f"{system.description['gateway_url']}/v1/services", verify=context)
        self.the_door_is_there(system)

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
                system.wait_for(lambda: door.get("/v1/services").status_code == 200)
                pem = found.certificate.read_bytes()
                serial = format(x509.load_pem_x509_certificate(pem).serial_number, "x")
                reply = operator.post(f"/v1/certificates/{serial}/revoke", {"reason": "lost"})
                assert reply.status_code == 200, reply.text
                system.wait_for(lambda: door.get("/v1/services").status_code == 403)
                assert door.get("/v1/services").json()["code"] == "certificate-revoked"

        def is_shut_out() -> bool:
            fresh = Door(system.description["gateway_url"], found.certificate, found.key, found.ca)
            try:
                with fresh:
                    assert fresh.get("/v1/services").status_code == 403
            except NO_HANDSHAKE:
                return True
            return False

        # The list of revoked certificates follows the rule that refuses their calls.
        system.wait_for(is_shut_out)
        self.the_door_is_there(system)


class TestPurposesAndIdentity:
    def refused(self, system, reply: httpx.Response, status: int, code: str, *secrets: str) -> None:
        assert (reply.status_code, reply.json()["code"]) == (status, code)
        assert reply.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "instance", "code"} <= set(reply.json())
        for secret in secrets:
            assert secret not in reply.text

    @pytest.mark.parametrize(
        ("purpose", "status", "code"),
        [
            (None, 400, "purpose-missing"),
            ("STATISTICS", 403, "purpose-not-covered"),
            ("NONSENSE", 400, "purpose-unknown"),
        ],
    )
    def test_a_missing_or_uncovered_purpose(self, system, walked, purpose, status, code) -> None:
        child = walked.child_personal_id
        with system.door("X26740/one-stop") as door, system.unchanged(child):
            for reply in (
                door.get(PERSON.format(child), purpose=purpose),
                door.post("/civil-registry/v1/births", system.declaration(), purpose=purpose),
            ):
                self.refused(system, reply, status, code, child)

    def test_a_forged_agency_header_opens_no_door(self, system, walked) -> None:
        child = walked.child_personal_id
        with system.door("B01/core") as door, system.unchanged(child):
            reply = door.get(
                PERSON.format(child),
                purpose="SOCIAL_INSURANCE",
                NDX_Agency="G03",
                NDX_System="insurance-link",
                NDX_Agreement="DSA-G03-1",
                NDX_Operation="population.get_person",
                NDX_Operator="NDX:an",
                NDX_Citizen=str(uuid4()),
            )
            self.refused(system, reply, 403, "no-agreement", child)
            reply = door.post("/v1/agencies", {"code": "Q1"}, NDX_Operator="NDX:an", NDX_Agency="NDX")
            self.refused(system, reply, 403, "operator-required")

    def test_a_forged_agency_header_does_not_change_whose_read_it_is(self, system, walked) -> None:
        child = walked.child_personal_id
        of = "SELECT agency, system, agreement FROM disclosures WHERE $1 = ANY(subjects) ORDER BY occurred_at"
        before = system.rows("population", of, child)
        with system.door("X26740/one-stop") as door:
            reply = door.get(
                PERSON.format(child),
                purpose="CIVIL_REGISTRATION",
                NDX_Agency="G03",
                NDX_System="insurance-link",
                NDX_Agreement="DSA-G03-1",
            )
        assert reply.status_code == 200
        (added,) = system.rows("population", of, child)[len(before) :]
        assert (added["agency"], added["system"]) == ("X26740", "one-stop")
        assert added["agreement"].startswith("DSA-X26740-")

    def test_a_suspended_agreement(self, system, walked) -> None:
        child = walked.child_personal_id
        number, reading, *_ = system.enrolment.agreements["X26740"]
        with system.door("X26740/one-stop") as door, system.door("NDX-an") as operator:
            for agreement in (number, reading):
                reply = operator.post(f"/v1/agreements/{agreement}/suspend", {"reason": "a test"})
                assert reply.status_code == 200, reply.text
            try:

                def answers() -> list[httpx.Response]:
                    return [
                        door.get(PERSON.format(child), purpose="CIVIL_REGISTRATION"),
                        door.get("/civil-registry/v1/births?limit=1", purpose="CIVIL_REGISTRATION"),
                    ]

                system.wait_for(lambda: {r.status_code for r in answers()} == {403})
                with system.unchanged(child):
                    for reply in (*answers(), system.declare(door, system.declaration())):
                        self.refused(system, reply, 403, "agreement-suspended", child)
            finally:
                for agreement in (number, reading):
                    operator.post(f"/v1/agreements/{agreement}/resume", {"reason": "a test"})
            system.wait_for(lambda: system.declare(door, system.declaration()).status_code == 201)

    def test_a_field_group_outside_the_agreement_is_named(self, system, walked) -> None:
        child = walked.child_personal_id
        with system.door("X26740/one-stop") as door, system.unchanged(child):
            url = f"/population/v1/persons/{child}?fields=birth_name,religion"
            reply = door.get(url, purpose="CIVIL_REGISTRATION")
        self.refused(system, reply, 403, "field-group-not-covered", child)
        assert "religion" in reply.json()["detail"]

    def test_nobody_and_a_person_outside_the_administrative_scope_look_the_same(self, system, walked) -> None:
        child = walked.child_personal_id
        with system.door("X00070/one-stop") as door, system.unchanged(child):
            outside = door.get(PERSON.format(child), purpose="CIVIL_REGISTRATION")
            nobody = door.get(PERSON.format("079299999999"), purpose="CIVIL_REGISTRATION")
        for reply, number in ((outside, child), (nobody, "079299999999")):
            self.refused(system, reply, 404, "person-not-found", number)
        same = ("type", "title", "status", "detail", "code", "errors")
        assert [outside.json()[m] for m in same] == [nobody.json()[m] for m in same]

    @pytest.mark.parametrize(
        "number", ["079", "07922600001", "0792260000177", "07922600001x", "000000000000", "%00"]
    )
    def test_an_impossible_number(self, system, walked, number: str) -> None:
        del walked
        with system.door("X26740/one-stop") as door:
            reply = door.get(PERSON.format(number), purpose="CIVIL_REGISTRATION")
        assert reply.status_code in {400, 404, 422}, reply.text
        assert reply.headers["content-type"] == "application/problem+json"
        # Ids of the request hold any three digits by chance.
        said = {name: value for name, value in reply.json().items() if name not in {"trace_id", "instance"}}
        assert number not in json.dumps(said)

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


class TestLimitsAndBackDoors:
    def test_a_burst_is_refused_with_a_time_to_wait_and_hurts_nobody_else(self, system, walked) -> None:
        child = walked.child_personal_id
        url = f"/population/v1/persons/{child}/verify"
        with system.door("B01/core") as door, system.door("X26740/one-stop") as commune:

            def verify() -> httpx.Response:
                return door.post(url, {"claims": []}, purpose="CREDIT_INSTITUTION_KYC")

            with ThreadPoolExecutor(10) as pool:
                replies = list(pool.map(lambda _: verify(), range(60)))
            refused = next((r for r in replies if r.status_code == 429), None)
            assert refused is not None, "sixty calls at once were all let through"
            assert refused.json()["code"] == "burst-exceeded"
            assert refused.headers["content-type"] == "application/problem+json"
            wait = int(refused.headers["retry-after"])
            assert 1 <= wait <= 60
            assert commune.get(PERSON.format(child), purpose="CIVIL_REGISTRATION").status_code == 200
            time.sleep(wait)
            assert verify().status_code != 429, "Retry-After promised too much"

    @pytest.mark.parametrize(
        "port", ["population", "civil-registry", "insurance", "tax", "identity", "auth", "gateway", "xds"]
    )
    def test_a_service_port_takes_nobody_but_the_gateway(self, system, port: str) -> None:
        number = system.description["ports"][port]
        pki = system.stack.paths.pki
        his = system.enrolment.systems["H79.001/his"]
        tax = (pki / "services" / "tax.crt", pki / "services" / "tax.key")
        for shown in (None, (his.certificate, his.key), tax):
            context = ssl.create_default_context(cafile=str(pki / "internal-ca.crt"))
            if shown is not None:
                context.load_cert_chain(*shown)
            with pytest.raises(NO_HANDSHAKE):
                httpx.get(
                    f"https://localhost:{number}/health/live", verify=context, headers={"NDX-Agency": "G01"}
                )
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://localhost:{number}/health/live")
        with pytest.raises(ConnectionRefusedError):
            # Nothing listens but on this machine itself.
            socket.create_connection((own_address(), number), timeout=5)


def own_address() -> str:
    """Return an address of this machine by which others would reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])
