"""Certificates as they are announced."""

from ndx_contracts.events.gateway import CertificateExpiring

from gateway.certificates.models import Certificate


def expiring(row: Certificate, *, days_left: int) -> CertificateExpiring:
    return CertificateExpiring(
        serial=row.serial,
        agency=row.agency,
        system=row.system,
        not_after=row.not_after,
        days_left=days_left,
    )
