"""Everything that the compiler needs, as plain values."""

from dataclasses import dataclass
from datetime import date

from ndx_contracts.agreements import Agreement

from gateway.agencies.service import AgencyEntry, OperatorEntry
from gateway.authorities.service import Issuer
from gateway.catalogue.operations import Operation
from gateway.quotas.spent import AgencyQuota, Spent


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates and keys in PEM form."""

    public_cert: str
    public_key: str
    client_cert: str
    client_key: str
    agency_ca: str
    """All authorities whose certificates callers may have."""
    internal_ca: str
    crl: str
    """Their revocation lists: without one, all certificates of an authority are refused."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where Envoy listens, where services are, how much it lets in, and how it reports."""

    address: str
    listener_port: int
    citizen_port: int
    upstreams: dict[str, str]
    issuer: str
    access_log: str
    zipkin: str
    otlp: str
    sampling: float
    audience: str = "ndx-citizen"
    max_body_bytes: int = 1_048_576
    handshake_seconds: float = 10.0
    request_headers_seconds: float = 10.0
    request_seconds: float = 30.0
    """How long a caller may take for the TLS handshake, for the headers, and for all of a request."""
    timeout_seconds: float = 15.0
    provider_requests: int = 2048
    """Calls that may be open at one provider; more are refused at once."""
    day_offset_seconds: int = 25_200
    """How much earlier than in UTC a day begins for quotas."""
    metadata_per_second: int = 100
    """Calls of one agency to the control plane itself, in all: metadata and its operators' work."""
    citizen_per_second: int = 20
    source_per_second: int = 100
    """Enrolments and other calls without a name to the control plane, from one address."""
    shared_rates: bool = False
    """Whether each Envoy lets in its share of a rate per second; all of them know then of the others."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the control plane; `today` is the day in Vietnam."""

    agencies: list[AgencyEntry]
    operators: list[OperatorEntry]
    revoked: dict[str, list[str]]
    """URI of a certificate → SHA-256 fingerprints (hex) that must not be served."""
    agreements: list[Agreement]
    """Active, suspended and lately expired ones."""
    operations: list[Operation]
    material: Material
    doors: Doors
    today: date
    spent: tuple[Spent, ...] = ()
    """Quotas that are used up."""
    agency_quotas: tuple[AgencyQuota, ...] = ()
    """Quotas of whole agencies, over all their agreements."""
    issuers: tuple[Issuer, ...] = ()
    """Who may vouch for whom; when empty, the issuer's name is not looked at."""
