"""What goes in and out at the certificate door."""

from datetime import datetime
from typing import Annotated

from ndx_contracts.bodies import Input, Output
from pydantic import Field, StringConstraints

from gateway.certificates.models import Cause, CertificateState

CsrPem = Annotated[str, StringConstraints(min_length=100, max_length=8000)]
Serial = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[0-9A-Fa-f:]+$")]


class CertificateRequestIn(Input):
    enrolment_code: Annotated[str, StringConstraints(min_length=16, max_length=64)]
    csr_pem: CsrPem


class RenewalIn(Input):
    """A request with a new key; the certificate in use says for whom."""

    csr_pem: CsrPem


class RevocationIn(Input):
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
    cause: Cause = Cause.UNSPECIFIED


class OwnRevocationIn(RevocationIn):
    serial: Serial


class CertificateQuery(Input):
    agency: Annotated[str, StringConstraints(max_length=32)] | None = None
    system: Annotated[str, StringConstraints(max_length=80)] | None = None
    issuer: Annotated[str, StringConstraints(max_length=40)] | None = None
    ending_within_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    cursor: Annotated[str, StringConstraints(max_length=80, pattern=r"^[0-9a-f]*$")] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class IssuedOut(Output):
    """The certificate, the CA that signed it, and the CAs of the gateway's own certificate, now and next."""

    certificate_pem: str
    ca_pem: str
    gateway_ca_pem: str
    serial: str
    fingerprint_sha256: str
    not_after: datetime


class CertificateOut(Output):
    serial: str
    agency: str
    system: str
    issuer: str
    fingerprint_sha256: str
    not_before: datetime
    not_after: datetime
    state: CertificateState
    first_used_at: datetime | None
    renew_from: datetime | None
    """From when on it should be renewed; none when it was, or is good no longer."""
    overlap_until: datetime | None
    """When it ends because a newer one replaced it."""
    replaced_by: str | None
    revoked_at: datetime | None
    cause: Cause | None
    reason: str | None


class CertificateDocument(CertificateOut):
    certificate_pem: str


class CertificatePage(Output):
    items: list[CertificateOut]
    next_cursor: str | None = Field(description="Serial to go on after.")
