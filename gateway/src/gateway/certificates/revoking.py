"""Use cases: revoke certificates, and sign the lists of those that are revoked."""

from datetime import UTC, datetime, timedelta

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.authorities import authority
from gateway.authorities import service as authorities
from gateway.certificates import repository
from gateway.certificates.errors import CertificateNotFound, CertificateRevokedAlready
from gateway.certificates.models import Cause, Certificate, CertificateState
from gateway.certificates.schemas import CertificateOut, RevocationIn
from gateway.certificates.service import Holder, Peer, in_use, issuing_settings, shown, stored_serial
from gateway.notices import announce
from gateway.settings import Settings

LIST_LIFE = timedelta(days=1)
LIST_SKEW = timedelta(minutes=5)
"""Lists begin five minutes before they are signed, for clocks that are behind."""


async def _revoke(
    session: AsyncSession, row: Certificate, actor: Operator | Holder, wanted: RevocationIn
) -> CertificateOut:
    """Revoke: whoever follows the notice refuses the fingerprint at once, and then signs the next list."""
    if row.state == CertificateState.REVOKED.value:
        raise CertificateRevokedAlready
    row.state, row.revoked_at = CertificateState.REVOKED.value, datetime.now(UTC)
    row.reason, row.cause = wanted.reason, wanted.cause.value
    await session.flush()
    await record_audit(
        session,
        actor,
        action="certificate_revoked",
        entity_type="certificate",
        entity_id=row.serial,
        details={"reason": wanted.reason, "cause": wanted.cause.value},
    )
    await announce(session, "certificate", row.agency)
    return shown(row, None)


async def revoke_certificate(
    session: AsyncSession, operator: Operator, *, serial: str, wanted: RevocationIn
) -> CertificateOut:
    """Revoke at once: new handshakes by the CRL, open connections by the fingerprint."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    row = await repository.find(session, stored_serial(serial), lock=True)
    if row is None:
        raise CertificateNotFound
    return await _revoke(session, row, operator, wanted)


async def revoke_own(
    session: AsyncSession, *, peer: Peer, serial: str, wanted: RevocationIn
) -> CertificateOut:
    """Let a system revoke a certificate of its own, such as one whose key was stolen."""
    mine = await in_use(session, peer)
    row = await repository.find(session, stored_serial(serial), lock=True)
    if row is None or row.uri != mine.uri:
        raise CertificateNotFound
    actor = Holder(f"holder/{row.agency}:{row.system}", peer.request_id)
    return await _revoke(session, row, actor, wanted)


async def revoke_all_of(session: AsyncSession, operator: Operator, *, agency: str, reason: str) -> list[str]:
    """Revoke all good certificates of an agency that ceases, and return their serial numbers."""
    wanted = RevocationIn(reason=reason, cause=Cause.CESSATION_OF_OPERATION)
    rows = await repository.good_of_agency(session, agency, datetime.now(UTC))
    return [(await _revoke(session, row, operator, wanted)).serial for row in rows]


async def revoked_fingerprints(session: AsyncSession) -> dict[str, list[str]]:
    """Return the fingerprints that must not be served any more, by URI SAN."""
    found: dict[str, list[str]] = {}
    for row in await repository.revoked(session, datetime.now(UTC)):
        found.setdefault(row.uri, []).append(row.fingerprint_sha256)
    return found


def _entry(row: Certificate) -> authority.Revoked:
    if row.revoked_at is not None:
        return authority.Revoked(row.serial, row.revoked_at, row.cause or "")
    return authority.Revoked(row.serial, row.overlap_until or row.not_after, Cause.SUPERSEDED.value)


async def refresh_list(session: AsyncSession, settings: Settings, issuer: str) -> None:
    """Sign the issuer's list anew when it is a day old or does not hold what it should."""
    kept, now = await authorities.list_of(session, issuer), datetime.now(UTC)
    revoked = await repository.revoked(session, now, issuer=issuer)
    if kept is not None:
        # Lists tell time in whole seconds: what was revoked in the second of signing is found by its serial.
        signed_at = kept.this_update + LIST_SKEW + timedelta(seconds=1)
        held = authority.serials_of(kept.pem)
        lacks = any(row.serial not in held or _entry(row).when > signed_at for row in revoked)
    if kept is None or lacks or kept.this_update < now - LIST_LIFE:
        await authorities.publish_list(session, settings, issuer, [_entry(row) for row in revoked])


async def sign_lists(runtime: Runtime) -> None:
    """Sign the lists of the authorities in force that need it; one that cannot be signed is tried again."""
    settings = issuing_settings(runtime)
    async with runtime.sessions() as session, session.begin():
        names = await authorities.embedded_in_force(session)
    for name in names:
        try:
            async with runtime.sessions() as session, session.begin():
                await refresh_list(session, settings, name)
        except (OSError, ValueError, TypeError) as error:
            log.error("revocation_list_not_signed", authority=name, error=type(error).__name__)
