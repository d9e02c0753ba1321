"""Use cases: issue for an enrolment code, revoke, and say what is revoked."""

from datetime import UTC, datetime
from pathlib import Path

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.models import Role
from gateway.certificates import authority
from gateway.certificates.errors import CertificateNotFound, CertificateRevokedAlready
from gateway.certificates.models import Certificate
from gateway.certificates.schemas import CertificateList, CertificateOut, CertificateRequestIn, IssuedOut
from gateway.notices import announce


def agency_ca(state_dir: Path) -> authority.Authority:
    return authority.open_authority(state_dir, "agency-ca", "ndx agency CA")


class _Enrolling:
    """The actor of an enrolment: whoever holds the code."""

    def __init__(self, agency: str, system: str) -> None:
        self.actor = f"enrolment/{agency}:{system}"
        self.officer = None
        self.case_id = None
        self.request_id = "-"


async def issue_certificate(
    session: AsyncSession, *, wanted: CertificateRequestIn, state_dir: Path, days: float
) -> IssuedOut:
    """Issue a certificate for the system that the code stands for; the code is used up with it."""
    agency, system = await agencies.use_enrolment_code(session, wanted.enrolment_code)
    ca = agency_ca(state_dir)
    uri = f"urn:ndx:agency:{agency}:{system}"
    made = authority.sign_request(ca, wanted.csr_pem, uri=uri, days=days)
    row = Certificate(
        serial=format(made.serial_number, "x"),
        agency=agency,
        system=system,
        uri=uri,
        fingerprint_sha256=authority.fingerprint(made),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
        state="ACTIVE",
    )
    session.add(row)
    await session.flush()
    await record_audit(
        session,
        _Enrolling(agency, system),
        action="certificate_issued",
        entity_type="certificate",
        entity_id=row.serial,
    )
    await announce(session, "certificate")
    ca_pem = authority.certificate_pem(ca.certificate).decode()
    return IssuedOut(
        certificate_pem=authority.certificate_pem(made).decode(),
        ca_pem=ca_pem,
        gateway_ca_pem=ca_pem,
        serial=row.serial,
        fingerprint_sha256=row.fingerprint_sha256,
        not_after=row.not_after,
    )


async def revoke_certificate(
    session: AsyncSession, operator: Operator, *, serial: str, reason: str
) -> CertificateOut:
    """Revoke at once: new handshakes by the CRL, open connections by the fingerprint."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    row = await session.get(Certificate, serial.lower(), with_for_update=True)
    if row is None:
        raise CertificateNotFound
    if row.state == "REVOKED":
        raise CertificateRevokedAlready
    row.state, row.revoked_at, row.reason = "REVOKED", datetime.now(UTC), reason
    await session.flush()
    await record_audit(
        session,
        operator,
        action="certificate_revoked",
        entity_type="certificate",
        entity_id=serial,
        details={"reason": reason},
    )
    await announce(session, "certificate")
    return _out(row)


def _out(row: Certificate) -> CertificateOut:
    return CertificateOut(
        serial=row.serial,
        agency=row.agency,
        system=row.system,
        fingerprint_sha256=row.fingerprint_sha256,
        not_after=row.not_after,
        state=row.state,
    )


async def certificates_of(session: AsyncSession, *, agency: str | None) -> CertificateList:
    statement = select(Certificate).order_by(Certificate.not_after).limit(1000)
    if agency is not None:
        statement = statement.where(Certificate.agency == agency)
    return CertificateList(items=[_out(row) for row in await session.scalars(statement)])


async def revoked_fingerprints(session: AsyncSession) -> dict[str, list[str]]:
    """Return the fingerprints that must not be served any more, by URI SAN."""
    found: dict[str, list[str]] = {}
    statement = select(Certificate.uri, Certificate.fingerprint_sha256).where(
        (Certificate.state == "REVOKED") & (Certificate.not_after > datetime.now(UTC))
    )
    for uri, fingerprint in (await session.execute(statement)).tuples():
        found.setdefault(uri, []).append(fingerprint)
    return found


async def crl_pem(session: AsyncSession, state_dir: Path) -> str:
    """Return the current revocation list of the agency CA."""
    statement = select(Certificate.serial, Certificate.revoked_at).where(
        (Certificate.state == "REVOKED") & (Certificate.not_after > datetime.now(UTC))
    )
    revoked = [
        (serial, when) for serial, when in (await session.execute(statement)).tuples() if when is not None
    ]
    return authority.revocation_list(agency_ca(state_dir), revoked).decode()
