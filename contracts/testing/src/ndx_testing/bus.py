"""A whole small bus for tests: certificates, tokens, configuration server, and what they are filled with."""

import base64
import json
import ssl
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from gateway.agencies.service import AgencyEntry, OperatorEntry, SystemEntry
from gateway.authorities import authority, files
from gateway.catalogue.operations import Operation
from gateway.settings import Settings
from gateway.xds.compile import compile_resources
from gateway.xds.server import ConfigServer, serve
from gateway.xds.snapshot import Material, Snapshot
from ndx_contracts.agreements import Agreement, AgreementState, Conditions, LegalBasis, OperationGrant, Quotas
from ndx_contracts.purposes import Purpose

from ndx_testing.envoy import JWKS, EnvoyProcess, Provider

NO_HANDSHAKE = (
    ssl.SSLError,
    httpx.ConnectError,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
)
"""What a caller sees whose certificate the door refuses; TLS 1.3 tells it with the first read or write."""
TODAY = date(2026, 11, 24)
PING_SECONDS = 0.2
"""How often the tests' Envoy makes sure that the line to the control plane lives."""
PERSON = "/population/v1/persons/079190000017"
SERVICES = ("population", "insurance", "auth", "gateway")
ISSUER = "https://login.test/auth"


def operation(name: str, method: str, path: str, door: str = "agency", **further: Any) -> Operation:
    values: dict[str, Any] = {"personal_data": False, "field_groups": (), "cost": 1, "acr": 1} | further
    return Operation(name, name.split(".", maxsplit=1)[0], method, path, door, **values)


OPERATIONS = [
    operation("population.get_person", "GET", "/population/v1/persons/{personal_id}", personal_data=True),
    operation("population.verify_person", "POST", "/population/v1/persons/verify", personal_data=True),
    operation("population.list_admin_units", "GET", "/population/v1/admin-units"),
    operation("population.show_me", "GET", "/population/v1/me", "citizen"),
    operation("population.list_my_disclosures", "GET", "/population/v1/me/disclosures", "citizen", acr=2),
    operation("insurance.show_entitlement", "GET", "/insurance/v1/entitlements/{id}"),
    operation("auth.show_discovery", "GET", "/auth/.well-known/openid-configuration", "public"),
    operation("gateway.request_certificate", "POST", "/v1/certificates", "public"),
    operation("gateway.list_agencies", "GET", "/v1/agencies", "agency_metadata"),
    operation("gateway.register_agency", "POST", "/v1/agencies", "operator"),
    operation("gateway.list_my_agreements", "GET", "/v1/agreements/mine", "agency_metadata"),
    operation("gateway.show_agreement", "GET", "/v1/agreements/{agreement_id}", "operator"),
]


def agreement(identifier: str, operations: list[str], **further: Any) -> Agreement:
    values: dict[str, Any] = {
        "agreement_id": identifier,
        "version": 1,
        "state": AgreementState.ACTIVE,
        "consumer_agency": None if "consumer_class" in further else identifier.split("-")[1],
        "provider_agency": "G01",
        "operations": tuple(OperationGrant(operation=o) for o in operations),
        "purposes": (Purpose.SOCIAL_INSURANCE,),
        "legal_basis": LegalBasis(text="Law on identification", reference="26/2023/QH15"),
        "valid_from": TODAY - timedelta(days=30),
        "quotas": Quotas(per_second=1000, burst=1000),
    }
    return Agreement(**(values | further))


AGREEMENTS = [
    agreement("DSA-G03-1", ["population.get_person"]),
    agreement("DSA-G03-2", ["population.list_admin_units", "insurance.show_entitlement"]),
    agreement(
        "DSA-H79.001-1",
        ["population.get_person"],
        conditions=Conditions(officer_required=True, case_required=True),
    ),
    agreement("DSA-H79.001-2", ["population.verify_person"], valid_to=TODAY - timedelta(days=1)),
    agreement("DSA-T01-1", ["population.get_person"], state=AgreementState.SUSPENDED),
    agreement("DSA-G04-1", ["population.list_admin_units"], quotas=Quotas(per_second=3, burst=3)),
]
AGENCIES = [
    AgencyEntry("G01", "ACTIVE", [SystemEntry("identity", "ACTIVE")]),
    AgencyEntry("G03", "ACTIVE", [SystemEntry("insurance-link", "ACTIVE"), SystemEntry("old", "CLOSED")]),
    AgencyEntry("G04", "ACTIVE", [SystemEntry("tax-link", "ACTIVE")]),
    AgencyEntry("H79.001", "ACTIVE", [SystemEntry("his", "ACTIVE")]),
    AgencyEntry("T01", "ACTIVE", [SystemEntry("core", "ACTIVE")]),
    AgencyEntry("B01", "SUSPENDED", [SystemEntry("core", "ACTIVE")]),
    AgencyEntry("B02", "REGISTERED", [SystemEntry("core", "ACTIVE")]),
    AgencyEntry("NDX", "ACTIVE", []),
]
OPERATORS = [
    OperatorEntry("NDX", "an", ["operator"], "ACTIVE"),
    OperatorEntry("NDX", "gone", ["operator"], "INACTIVE"),
    OperatorEntry("G01", "chi", ["approver"], "ACTIVE"),
]


@dataclass
class Pki:
    """Both authorities and the certificates made on demand."""

    folder: Path

    def __post_init__(self) -> None:
        self.agency = authority.open_authority(self.folder, "agency-ca", "agency CA")
        self.internal = authority.open_authority(self.folder, "internal-ca", "internal CA")
        names = [f"{s}.ndx.internal" for s in SERVICES]
        authority.issue_server(self.internal, self.folder, "provider", names)
        authority.issue_server(self.internal, self.folder, "xds-server", ["xds.ndx.internal"])
        authority.issue_client(self.internal, self.folder, "xds-client", "urn:ndx:internal:envoy")
        files.write_envoy_identity(self.folder)
        authority.issue_client(self.internal, self.folder, "gateway-client", "urn:ndx:internal:gateway")
        authority.issue_server(self.agency, self.folder, "gateway-public", ["localhost"])

    def client(self, uri: str, *, ca: str = "agency", days: float = 1, copy: int = 0) -> tuple[Path, Path]:
        """Return certificate and key of a caller; `copy` tells several certificates of one name apart."""
        folder = self.folder / "callers"
        folder.mkdir(exist_ok=True)
        stem = f"{ca}-{uri.replace(':', '_')}-{days:g}-{copy}"
        cert, key_file = folder / f"{stem}.crt", folder / f"{stem}.key"
        if not cert.exists():
            issuer = authority.open_authority(self.folder, f"{ca}-ca", ca)
            key = ec.generate_private_key(ec.SECP256R1())
            request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            made = authority.sign_request(issuer, pem.decode(), uri=uri, days=days)
            cert.write_bytes(authority.certificate_pem(made))
            key_file.write_bytes(authority.key_pem(key))
        return cert, key_file

    @staticmethod
    def fingerprint(certificate: x509.Certificate) -> str:
        return authority.fingerprint(certificate)

    def material(self, revoked: list[x509.Certificate]) -> Material:
        def text(name: str) -> str:
            return (self.folder / name).read_text()

        crl = authority.revocation_list(
            self.agency,
            [authority.Revoked(format(c.serial_number, "x"), c.not_valid_before_utc) for c in revoked],
        )
        return Material(
            public_cert=text("gateway-public.crt"),
            public_key=text("gateway-public.key"),
            client_cert=text("gateway-client.crt"),
            client_key=text("gateway-client.key"),
            agency_ca=text("agency-ca.crt"),
            internal_ca=text("internal-ca.crt"),
            crl=authority.list_pem(crl),
        )


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Tokens:
    """Signs access tokens as the e-ID provider does."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def jwks(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        x, y = (_b64(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
        return {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k1", "x": x, "y": y}]}

    def token(self, **claims: Any) -> str:
        body = {
            "iss": ISSUER,
            "aud": "ndx-citizen",
            "sub": str(uuid4()),
            "acr": "2",
            "iat": int(time()),
            "exp": int(time()) + 300,
        } | claims
        head = _b64(json.dumps({"alg": "ES256", "kid": "k1"}).encode())
        signed = f"{head}.{_b64(json.dumps(body).encode())}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass
class Bus:
    """What the tests work with."""

    pki: Pki
    tokens: Tokens
    provider: Provider
    collector: Provider
    server: ConfigServer
    base: Snapshot
    snapshot: Snapshot
    settings: Settings
    access_log: Path
    envoy: EnvoyProcess | None = None
    grpc: Any = None
    usual: bool = False
    """Whether the control plane runs, and neither counts nor takes logs."""
    provider_server: Any = None
    """What serves the provider; like every service it reads renewed certificates once a minute by itself."""

    async def start_control_plane(self, quotas: Any = None, logs: Any = None) -> None:
        """Start it; `quotas` counts by the rate-limit-quota protocol, `logs` takes access logs, or not."""
        folder = self.pki.folder
        self.grpc = await serve(
            self.server,
            address=f"127.0.0.1:{self.settings.xds_port}",
            folder=folder,
            quotas=quotas,
            logs=logs,
        )
        self.usual = quotas is None and logs is None

    async def stop_control_plane(self) -> None:
        """Kill it."""
        self.usual = False
        await self.grpc.stop(grace=None)

    async def put_back(self) -> None:
        """Make everything what it was before a test that may have failed anywhere."""
        for held in self.provider.hold.values():
            held.set()
        self.provider.hold.clear()
        self.provider.ready = True
        self.provider.answers = {JWKS: (200, self.tokens.jwks())}
        if not self.usual:
            await self.stop_control_plane()
            await self.start_control_plane()
        if self.snapshot is not self.base:
            self.snapshot = self.base
            await self.apply()
            self.snapshot = self.base

    async def apply(self, **changes: Any) -> None:
        """Change the snapshot, and return when Envoy has taken the result."""
        self.snapshot = replace(self.snapshot, **changes)
        self.server.publish(compile_resources(self.snapshot))
        await self.server.wait_settled()
        assert self.server.refused == {}

    def caller(self, uri: str | None, *, port: int | None = None, **how: Any) -> httpx.AsyncClient:
        """Return a client of the agencies' door with the certificate of that name."""
        context = ssl.create_default_context(cafile=str(self.pki.folder / "agency-ca.crt"))
        if uri is not None:
            if not uri.startswith("urn:"):
                uri = f"urn:ndx:agency:{uri}"
            cert, key = self.pki.client(uri, **how)
            context.load_cert_chain(cert, key)
        url = f"https://localhost:{port or self.settings.listener_port}"
        return httpx.AsyncClient(base_url=url, verify=context, timeout=60, trust_env=False)

    def citizen(self, token: str | None = None) -> httpx.AsyncClient:
        """Return a client of the citizens' door."""
        client = self.caller(None, port=self.settings.citizen_port)
        if token is not None:
            client.headers["Authorization"] = f"Bearer {token}"
        return client
