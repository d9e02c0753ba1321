"""Everything that the compiler needs, as plain values."""

from dataclasses import dataclass

from ndx_contracts.agreements import Agreement

from gateway.agencies.service import AgencyEntry, OperatorEntry
from gateway.catalogue.operations import Operation


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates and keys in PEM form."""

    public_cert: str
    public_key: str
    client_cert: str
    client_key: str
    agency_ca: str
    internal_ca: str
    crl: str


@dataclass(frozen=True, slots=True)
class Doors:
    """Where Envoy listens, where services are, and how it reports."""

    address: str
    listener_port: int
    citizen_port: int
    upstreams: dict[str, str]
    issuer: str
    access_log: str
    zipkin: str
    otlp: str
    sampling: float
    max_body_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class Snapshot:
    agencies: list[AgencyEntry]
    operators: list[OperatorEntry]
    revoked: dict[str, list[str]]
    agreements: list[Agreement]
    operations: list[Operation]
    material: Material
    doors: Doors
