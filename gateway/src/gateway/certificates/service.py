"""Use cases: issue for an enrolment code, renew, list, and follow certificates to their end."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.errors import AgencyIsClosed, EnrolmentCodeInvalid
from gateway.agencies.vocabulary import AgencyState
from gateway.authorities import authority, files
from gateway.authorities import service as authorities
from gateway.authorities.errors import CsrRefused
from gateway.authorities.signing_requests import SigningRequest, key_digest, read_request
from gateway.certificates import repository
from gateway.certificates.errors import (
    CertificateLimitReached,
    CertificateNotFound,
    CertificateNotRenewable,
)
from gateway.certificates.models import GOOD, Cause, Certificate, CertificateState
from gateway.certificates.schemas import (
    CertificateDocument,
    CertificateOut,
    CertificatePage,
    CertificateQuery,
    CertificateRequestIn,
    IssuedOut,
    RenewalIn,
)
from gateway.notices import announce
from gateway.settings import Settings

RENEW_AHEAD = timedelta(days=30)
MOST_GOOD = 6
"""Good certificates that one system may hold: a few machines, each with its successor."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The actor of an enrolment or renewal: whoever holds the code or the key."""

    actor: str
    request_id: str = "-"
    officer: None = None
    case_id: None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """The certificate under which a call came in, as the gateway saw it."""

    fingerprint: str
    request_id: str


def issuing_settings(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("certificates are issued with the gateway's settings")
    return runtime.settings


def _row(made: x509.Certificate, *, issuer: str, agency: str, system: str, uri: str) -> Certificate:
    return Certificate(
        serial=format(made.serial_number, "x"),
        agency=agency,
        system=system,
        uri=uri,
        issuer=issuer,
        fingerprint_sha256=authority.fingerprint(made),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
        state=CertificateState.ISSUED.value,
        key_sha256=key_digest(made.public_key()),
        pem=authority.certificate_pem(made).decode(),
    )


async def _keep(session: AsyncSession, row: Certificate, actor: Holder) -> Certificate:
    session.add(row)
    await session.flush()
    await record_audit(
        session,
        actor,
        action="certificate_issued",
        entity_type="certificate",
        entity_id=row.serial,
        details={"uri": row.uri, "issuer": row.issuer},
    )
    await announce(session, "issued", row.agency)
    return row


async def keep_operator_certificate(
    session: AsyncSession, pem: bytes, *, agency: str, login: str, settings: Settings
) -> None:
    """Register a first operator's certificate from the bootstrap, so that it can be listed and revoked."""
    made = x509.load_pem_x509_certificate(pem)
    if await repository.find(session, format(made.serial_number, "x")) is None:
        uri, system = f"urn:ndx:operator:{agency}:{login}", f"operator:{login}"
        generations = files.generations(settings.state_dir, authorities.passphrase_of(settings))
        issuer = next(g for g in generations if authority.is_issued_by(made, g.authority.certificate))
        row = _row(made, issuer=issuer.name, agency=agency, system=system, uri=uri)
        await _keep(session, row, Holder(f"enrolment/{agency}:{system}"))


def _renew_from(row: Certificate, now: datetime, issuing: str | None) -> datetime | None:
    """Return from when on it should be renewed: at once when another authority issues now."""
    if row.shown_state(now).value not in GOOD or row.replaced_by is not None:
        return None
    return row.not_after - RENEW_AHEAD if row.issuer == issuing else now


async def _issue(
    session: AsyncSession,
    request: SigningRequest,
    *,
    settings: Settings,
    agency: str,
    system: str,
    uri: str,
    actor: Holder,
) -> Certificate:
    """Sign for a checked request; a key asked for again, after a lost answer, gets the same certificate."""
    now = datetime.now(UTC)
    ca = await authorities.issuing(session, settings)
    await repository.lock_key(session, request.key_sha256)
    for known in await repository.of_key(session, request.key_sha256):
        if known.uri != uri:
            raise CsrRefused("The key belongs to another system already; make a new one.")
        if known.cause == Cause.KEY_COMPROMISE.value:
            raise CsrRefused("The key was revoked as compromised; make a new one.")
        due = _renew_from(known, now, ca.name)
        if due is not None and due > now:
            return known
    if len(await repository.good_of(session, uri, now)) >= MOST_GOOD:
        raise CertificateLimitReached(f"Revoke one of its {MOST_GOOD} certificates first.")
    made = authority.sign(
        ca.authority,
        request.key,
        uri=uri,
        days=settings.certificate_days,
        list_url=f"{settings.citizen_url}/v1/revocation-lists/{ca.name}",
    )
    row = _row(made, issuer=ca.name, agency=agency, system=system, uri=uri)
    return await _keep(session, row, actor)


async def _issued(session: AsyncSession, row: Certificate) -> IssuedOut:
    return IssuedOut(
        certificate_pem=row.pem,
        ca_pem=await authorities.pem_of(session, row.issuer),
        gateway_ca_pem=await authorities.gateway_ca_pem(session),
        serial=row.serial,
        fingerprint_sha256=row.fingerprint_sha256,
        not_after=row.not_after,
    )


async def issue_certificate(
    session: AsyncSession, runtime: Runtime, *, wanted: CertificateRequestIn, settings: Settings
) -> IssuedOut:
    """Issue a certificate for the system that the code stands for; the code is used up with it.

    Raises:
        EnrolmentCodeInvalid: unknown, used, expired, or tried too often.
        CsrRefused: the request is not acceptable; that counts as a try of the code.
    """
    async with runtime.sessions() as counting, counting.begin():
        await agencies.count_try(counting, wanted.enrolment_code)
    found = await agencies.open_enrolment(session, wanted.enrolment_code)
    uri = f"urn:ndx:agency:{found.agency}:{found.system}"
    request = read_request(wanted.csr_pem, uri=uri)
    if found.serial is not None:
        used = await repository.find(session, found.serial)
        if used is None or used.key_sha256 != request.key_sha256:
            raise EnrolmentCodeInvalid
        return await _issued(session, used)
    row = await _issue(
        session,
        request,
        settings=settings,
        agency=found.agency,
        system=found.system,
        uri=uri,
        actor=Holder(f"enrolment/{found.agency}:{found.system}"),
    )
    await agencies.use_enrolment(session, found, serial=row.serial)
    return await _issued(session, row)


async def in_use(session: AsyncSession, peer: Peer) -> Certificate:
    """Return, locked, the row of the certificate under which a call came in.

    Raises:
        CertificateNotRenewable: it was issued elsewhere, or its agency is barred.
    """
    code = await repository.agency_of(session, peer.fingerprint)
    if code is None:
        raise CertificateNotRenewable("This certificate was not issued by the exchange: ask its own CA.")
    barred = CertificateNotRenewable("The certificate or its agency is not in good standing any more.")
    try:
        # The agency before its certificate, as its closure does; what is issued now, a closure finds.
        agency = await agencies.open_agency(session, code)
    except AgencyIsClosed:
        raise barred from None
    row = await repository.of_fingerprint(session, peer.fingerprint)
    good = row is not None and row.shown_state(datetime.now(UTC)).value in GOOD
    if row is None or not good or agency.state != AgencyState.ACTIVE.value:
        raise barred
    return row


async def renew_certificate(
    session: AsyncSession, *, wanted: RenewalIn, peer: Peer, settings: Settings
) -> IssuedOut:
    """Issue the successor of the certificate in use; both work until the overlap ends.

    Raises:
        CertificateNotRenewable: issued elsewhere, or not good any more.
        CsrRefused: the request is not acceptable; a renewal needs a new key.
    """
    row = await in_use(session, peer)
    request = read_request(wanted.csr_pem, uri=row.uri)
    if request.key_sha256 == row.key_sha256:
        raise CsrRefused("A renewal needs a new key.")
    actor = Holder(f"renewal/{row.agency}:{row.system}", peer.request_id)
    made = await _issue(
        session,
        request,
        settings=settings,
        agency=row.agency,
        system=row.system,
        uri=row.uri,
        actor=actor,
    )
    until = datetime.now(UTC) + timedelta(days=settings.certificate_overlap_days)
    row.overlap_until = min(row.overlap_until or row.not_after, until, row.not_after)
    row.replaced_by = made.serial
    await session.flush()
    return await _issued(session, made)


def stored_serial(serial: str) -> str:
    """Return a serial as it is stored; tools print it in upper case, with colons, with leading zeros."""
    return serial.lower().replace(":", "").lstrip("0")


def shown(row: Certificate, issuing: str | None) -> CertificateOut:
    now = datetime.now(UTC)
    return CertificateOut(
        serial=row.serial,
        agency=row.agency,
        system=row.system,
        issuer=row.issuer,
        fingerprint_sha256=row.fingerprint_sha256,
        not_before=row.not_before,
        not_after=row.not_after,
        state=row.shown_state(now),
        first_used_at=row.first_used_at,
        renew_from=_renew_from(row, now, issuing),
        overlap_until=row.overlap_until,
        replaced_by=row.replaced_by,
        revoked_at=row.revoked_at,
        cause=None if row.cause is None else Cause(row.cause),
        reason=row.reason,
    )


async def show_certificate(session: AsyncSession, *, serial: str) -> CertificateDocument:
    row = await repository.find(session, stored_serial(serial))
    if row is None:
        raise CertificateNotFound
    issuing = await authorities.issuing_name(session)
    return CertificateDocument(**shown(row, issuing).model_dump(), certificate_pem=row.pem)


async def certificates_of(session: AsyncSession, wanted: CertificateQuery) -> CertificatePage:
    """List certificates, newest first; with `ending_within_days` those that somebody must renew soon."""
    now = datetime.now(UTC)
    days = wanted.ending_within_days
    rows = await repository.page(
        session,
        agency=wanted.agency,
        system=wanted.system,
        issuer=wanted.issuer,
        ending_before=None if days is None else now + timedelta(days=days),
        now=now,
        after=wanted.cursor,
        limit=wanted.limit + 1,
    )
    more, issuing = len(rows) > wanted.limit, await authorities.issuing_name(session)
    return CertificatePage(
        items=[shown(row, issuing) for row in rows[: wanted.limit]],
        next_cursor=rows[wanted.limit - 1].serial if more else None,
    )


async def own_certificates(session: AsyncSession, *, peer: Peer) -> CertificatePage:
    """List the certificates of the calling system or operator."""
    mine = await in_use(session, peer)
    return await certificates_of(session, CertificateQuery(agency=mine.agency, system=mine.system))


@dataclass(frozen=True, slots=True)
class Dependants:
    """How many depend on an authority; see AuthorityProgress."""

    good: int = 0
    waiting: int = 0
    unused: int = 0


async def progress(session: AsyncSession) -> dict[str, Dependants]:
    """Count, by authority, who depends on it."""
    counted = await repository.count_dependants(session, datetime.now(UTC))
    return {issuer: Dependants(*numbers) for issuer, numbers in counted.items()}


async def end_all_of(session: AsyncSession, issuer: str) -> None:
    """Mark the good certificates of an authority that is trusted no longer."""
    await repository.supersede_all_of(session, issuer, datetime.now(UTC))


async def mark_used(session: AsyncSession, fingerprints: Collection[str]) -> None:
    """Note that certificates were seen in use."""
    await repository.mark_used(session, fingerprints, datetime.now(UTC))
