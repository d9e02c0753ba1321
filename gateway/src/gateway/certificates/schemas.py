"""What goes in and out at the certificate door."""

from datetime import datetime
from typing import Annotated

from ndx_contracts.base import Input, Output
from pydantic import StringConstraints


class CertificateRequestIn(Input):
    enrolment_code: Annotated[str, StringConstraints(min_length=16, max_length=64)]
    csr_pem: Annotated[str, StringConstraints(min_length=100, max_length=8000)]


class IssuedOut(Output):
    """The certificate, the CA that signed it, and the CA of the gateway's own certificate."""

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
    fingerprint_sha256: str
    not_after: datetime
    state: str


class CertificateList(Output):
    items: list[CertificateOut]
