"""Enrols agencies and systems, gets certificates, has agreements approved by a second person."""

import json
import os
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ndx_demo.door import Door, StepFailed

IN_FORCE_SECONDS = 20.0
FIRST_DAY = "2025-07-01"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files with which a system or operator calls the gateway."""

    key: Path
    certificate: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Everybody who can call, by `agency/system` and `agency-login`, and the agreements by consumer."""

    systems: dict[str, Credentials]
    operators: dict[str, Credentials]
    agreements: dict[str, list[str]]


def declared() -> dict[str, Any]:
    """Return the agencies and agreements of the demo."""
    document: dict[str, Any] = json.loads(
        resources.files("ndx_demo").joinpath("agreements.json").read_text(encoding="utf-8")
    )
    return document


def _credentials(pki: Path, folder: str, name: str) -> Credentials:
    return Credentials(pki / folder / f"{name}.key", pki / folder / f"{name}.crt", pki / "gateway-ca.crt")


def _key_and_request(name: str) -> tuple[bytes, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, request.public_bytes(serialization.Encoding.PEM).decode()


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def _expect(reply: httpx.Response, what: str, *allowed: int) -> dict[str, Any]:
    if reply.status_code not in (allowed or (200, 201)):
        raise StepFailed(f"{what}: the gateway answered {reply.status_code} {reply.text[:300]}")
    body: dict[str, Any] = reply.json()
    return body


def enrol_system(operator: Door, public: httpx.Client, pki: Path, agency: str, system: str) -> Credentials:
    """Register a system and fetch its certificate with the one-time code; what exists is reused."""
    found = _credentials(pki, "agencies", f"{agency}-{system}")
    if found.certificate.exists():
        return found
    reply = operator.post(f"/v1/agencies/{agency}/systems", {"code": system})
    if reply.status_code == 409:  # noqa: PLR2004 - registered before, without a certificate here
        reply = operator.post(f"/v1/agencies/{agency}/systems/{system}/enrolment-codes", {})
    enrolment = _expect(reply, f"registering {agency}/{system}")
    key, request = _key_and_request(system)
    reply = public.post(
        "/v1/certificates", json={"enrolment_code": enrolment["enrolment_code"], "csr_pem": request}
    )
    issued = _expect(reply, f"the certificate of {agency}/{system}")
    _write(found.key, key)
    _write(found.certificate, issued["certificate_pem"].encode())
    return found


def agree(doors: dict[str, Door], terms: dict[str, Any], known: list[dict[str, Any]]) -> str:
    """Have an agreement drafted, submitted and approved by a second person; one that exists is reused."""
    approver = terms.pop("approver")
    wanted = {"valid_from": FIRST_DAY, **terms}
    for agreement in known:
        same = (
            agreement["consumer_agency"] == wanted["consumer_agency"]
            and agreement["consumer_systems"] == wanted["consumer_systems"]
            and agreement["operations"] == wanted["operations"]
            and agreement["state"] in {"ACTIVE", "SUSPENDED"}
        )
        if same:
            if agreement["state"] == "SUSPENDED":
                url = f"/v1/agreements/{agreement['agreement_id']}/resume"
                _expect(doors["NDX-an"].post(url, {"reason": "used by the demo again"}), "resuming")
            return str(agreement["agreement_id"])
    drafted = _expect(doors["NDX-an"].post("/v1/agreements", wanted), "drafting an agreement")
    number = str(drafted["agreement_id"])
    _expect(doors["NDX-an"].post(f"/v1/agreements/{number}/submit", {}), f"submitting {number}")
    approve(doors[approver], number)
    return number


def approve(approver: Door, number: str) -> None:
    """Read an agreement that was submitted and approve what was read."""
    url = f"/v1/agreements/{number}"
    read = approver.get(url)
    _expect(read, f"reading {number}")
    _expect(approver.post(f"{url}/approve", {}, If_Match=read.headers["etag"]), f"approving {number}")


def _wait_in_force(operator: Door) -> None:
    """Wait until every Envoy that is there has taken what was just decided.

    Raises:
        StepFailed: none has, for a long time.
    """
    deadline = time.monotonic() + IN_FORCE_SECONDS
    while time.monotonic() < deadline:
        known = _expect(operator.get("/v1/configuration"), "asking who has the configuration")["envoys"]
        there = [e for e in known if e["disconnected_at"] is None and not e["node"].startswith("standby")]
        if there and all(e["up_to_date_since"] is not None for e in there):
            return
        time.sleep(0.2)
    raise StepFailed("The new agreements did not reach Envoy: see the logs of gateway and envoy.")


def enrol(gateway_url: str, citizen_url: str, pki: Path, document: dict[str, Any] | None = None) -> Enrolment:
    """Enrol everything that is declared, the demo's own unless told otherwise; safe to repeat."""
    document = document or declared()
    logins = ("NDX-an", "NDX-binh", "NDX-mai", "G01-chi", "G02-dung", "G03-giang", "G04-hai")
    operators = {login: _credentials(pki, "operators", login) for login in logins}
    doors = {login: Door(gateway_url, c.certificate, c.key, c.ca) for login, c in operators.items()}
    systems: dict[str, Credentials] = {}
    an = doors["NDX-an"]
    with httpx.Client(base_url=citizen_url, verify=doors["NDX-an"].context_without_certificate()) as public:
        for agency in document["agencies"]:
            body = {k: v for k, v in agency.items() if k != "systems"}
            _expect(an.post("/v1/agencies", body), f"registering {agency['code']}", 201, 409)
            for system in agency["systems"]:
                name = f"{agency['code']}/{system}"
                systems[name] = enrol_system(an, public, pki, agency["code"], system)
        for code, names in document["platform_systems"].items():
            for system in names:
                systems[f"{code}/{system}"] = enrol_system(an, public, pki, code, system)
    known = _expect(an.get("/v1/agreements"), "listing agreements")["items"]
    agreements: dict[str, list[str]] = {}
    for terms in document["agreements"]:
        number = agree(doors, dict(terms), known)
        agreements.setdefault(terms["consumer_agency"], []).append(number)
    _wait_in_force(an)
    for door in doors.values():
        door.close()
    return Enrolment(systems, operators, agreements)
