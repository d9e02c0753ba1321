"""Use cases: issue for an enrolment code, revoke, and say what is revoked."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.models import Role
from gateway.certificates import authority, repository
from gateway.certificates.errors import CertificateNotFound, CertificateRevokedAlready
from gateway.certificates.models import ACTIVE, EXPIRED, REVOKED, Certificate
from gateway.certificates.schemas import CertificateList, CertificateOut, CertificateRequestIn, IssuedOut
from gateway.notices import announce

_MOST = 1000


def agency_ca(state_dir: Path) -> authority.Authority:
    return authority.open_authority(state_dir, "agency-ca", "ndx agency CA")


class _Enrolling:
    """The actor of an enrolment: whoever holds the code."""

    def __init__(self, agency: str, system: str) -> None:
        self.actor = f"enrolment/{agency}:{system}"
        self.officer = None
        self.case_id = None
        self.request_id = "-"


async def _keep(
    session: AsyncSession, made: x509.Certificate, *, agency: str, system: str, uri: str
) -> Certificate:
    row = Certificate(
        serial=format(made.serial_number, "x"),
        agency=agency,
        system=system,
        uri=uri,
        fingerprint_sha256=authority.fingerprint(made),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
        state=ACTIVE,
    )
    session.add(row)
    await session.flush()
    return row


async def keep_operator_certificate(session: AsyncSession, pem: bytes, *, agency: str, login: str) -> None:
    """Register a first operator's certificate from the bootstrap, so that it can be listed and revoked."""
    made = x509.load_pem_x509_certificate(pem)
    if await repository.find(session, format(made.serial_number, "x")) is None:
        uri = f"urn:ndx:operator:{agency}:{login}"
        row = await _keep(session, made, agency=agency, system=f"operator:{login}", uri=uri)
        await record_audit(
            session,
            _Enrolling(agency, f"operator:{login}"),
            action="certificate_issued",
            entity_type="certificate",
            entity_id=row.serial,
        )


async def issue_certificate(
    session: AsyncSession, *, wanted: CertificateRequestIn, state_dir: Path, days: float
) -> IssuedOut:
    """Issue a certificate for the system that the code stands for; the code is used up with it."""
    agency, system = await agencies.use_enrolment_code(session, wanted.enrolment_code)
    ca = agency_ca(state_dir)
    uri = f"urn:ndx:agency:{agency}:{system}"
    made = authority.sign_request(ca, wanted.csr_pem, uri=uri, days=days)
    row = await _keep(session, made, agency=agency, system=system, uri=uri)
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
    # As tools print it: upper or lower case, with colons, with leading zeros.
    plain = serial.lower().replace(":", "").lstrip("0")
    row = await repository.find(session, plain, lock=True)
    if row is None:
        raise CertificateNotFound
    if row.state == REVOKED:
        raise CertificateRevokedAlready
    row.state, row.revoked_at, row.reason = REVOKED, datetime.now(UTC), reason
    await session.flush()
    await record_audit(
        session,
        operator,
        action="certificate_revoked",
        entity_type="certificate",
        entity_id=row.serial,
        details={"reason": reason},
    )
    await announce(session, "certificate")
    return _out(row)


def _out(row: Certificate) -> CertificateOut:
    over = row.state == ACTIVE and row.not_after <= datetime.now(UTC)
    return CertificateOut(
        serial=row.serial,
        agency=row.agency,
        system=row.system,
        fingerprint_sha256=row.fingerprint_sha256,
        not_after=row.not_after,
        state=EXPIRED if over else row.state,
    )


async def certificates_of(session: AsyncSession, *, agency: str | None) -> CertificateList:
    return CertificateList(items=[_out(row) for row in await repository.newest(session, agency, _MOST)])


async def revoked_fingerprints(session: AsyncSession) -> dict[str, list[str]]:
    """Return the fingerprints that must not be served any more, by URI SAN."""
    found: dict[str, list[str]] = {}
    for row in await repository.revoked(session):
        found.setdefault(row.uri, []).append(row.fingerprint_sha256)
    return found


async def crl_pem(session: AsyncSession, state_dir: Path) -> str:
    """Return the current revocation list of the agency CA."""
    revoked = [
        (row.serial, row.revoked_at)
        for row in await repository.revoked(session)
        if row.revoked_at is not None
    ]
    return authority.revocation_list(agency_ca(state_dir), revoked).decode()
