"""Python client and command line for agencies and operators."""

from ndx_client.client import NdxClient
from ndx_client.errors import (
    CertificateNotAccepted,
    ClientError,
    GatewayUnreachable,
    NotConfigured,
    Refused,
)
from ndx_client.models import AllowedOperation, Issued

__all__ = [
    "AllowedOperation",
    "CertificateNotAccepted",
    "ClientError",
    "GatewayUnreachable",
    "Issued",
    "NdxClient",
    "NotConfigured",
    "Refused",
]
