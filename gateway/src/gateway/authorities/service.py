"""Use cases: who may vouch for callers, and which certificates have been revoked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.metrics import gauge
from ndx_chassis.telemetry import log
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.authorities import anchors, files, repository
from gateway.authorities.errors import (
    AnchorRefused,
    AuthorityExists,
    AuthorityNotFound,
    RevocationListRefused,
    RotationRefused,
)
from gateway.authorities.internal import INTERNAL_CA
from gateway.authorities.models import AuthorityRow, RevocationListRow, RevocationSource
from gateway.authorities.schemas import (
    AnchorIn,
    AuthorityOut,
    RevocationListOut,
    RevocationListPage,
    RevocationSourceIn,
    RevocationSourceOut,
)
from gateway.authorities.vocabulary import AuthorityState, Kind
from gateway.certificates import authority
from gateway.notices import announce
from gateway.settings import Settings

LONGEST_CONNECTION = timedelta(days=1)
EMBEDDED_LIST_ALARM = timedelta(days=authority.CRL_DAYS / 2)
OUTSIDE_LIST_ALARM = timedelta(days=2)
FETCH_AGAIN = timedelta(minutes=5)
"""After how long a list that could not be fetched is tried again."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority as the data plane sees it; one that may certify everybody has no `may_certify`."""

    subject: str
    may_certify: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    """Serials to be denied on open connections too."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What Envoy needs to check callers' certificates."""

    anchors_pem: str
    lists_pem: str
    issuers: tuple[Issuer, ...]


def _row(name: str, kind: Kind, state: AuthorityState, certificate: x509.Certificate) -> AuthorityRow:
    return AuthorityRow(
        name=name,
        kind=kind.value,
        state=state.value,
        subject=anchors.subject_as_envoy_writes_it(certificate.subject),
        pem=authority.certificate_pem(certificate).decode(),
        not_after=certificate.not_valid_after_utc,
        may_certify=[],
        created_at=datetime.now(UTC),
    )


def passphrase_of(settings: Settings) -> bytes | None:
    return authority.read_passphrase(settings.ca_passphrase_file)


async def adopt_files(session: AsyncSession, settings: Settings) -> None:
    """Register the generations that lie in the state folder, the newest as the one that issues.

    Once one issues, the folder follows the tables instead: see `tidy_files`.
    """
    if await repository.issuing(session) is not None:
        return
    found = files.generations(settings.state_dir, passphrase_of(settings))
    for generation in found:
        if await repository.find(session, generation.name) is None:
            state = AuthorityState.ISSUING if generation is found[-1] else AuthorityState.TRUSTED
            session.add(_row(generation.name, Kind.EMBEDDED, state, generation.authority.certificate))
            await session.flush()


async def tidy_files(session: AsyncSession, settings: Settings) -> bool:
    """Finish what a process left that ended between the folder and the tables; tell whether there was any.

    A generation whose rotation was never committed is put aside with its key, and the key of one that is
    retired goes.
    """
    # A rotation that is under way elsewhere ends first, and what it has made is known then.
    if await repository.issuing(session, lock=True) is None:
        return False
    rows = {row.name: row for row in await repository.everyone(session)}
    changed = False
    for name in files.generation_names(settings.state_dir):
        row = rows.get(name)
        if row is None:
            log.error("authority_set_aside", authority=name)
            files.set_aside(settings.state_dir, name)
        elif row.state == AuthorityState.RETIRED.value:
            files.retire_generation(settings.state_dir, name)
        changed = changed or row is None or row.state == AuthorityState.RETIRED.value
    return changed


async def issuing(session: AsyncSession, settings: Settings) -> files.Generation:
    """Return the authority that signs new certificates.

    Raises:
        RotationRefused: there is none yet.
    """
    row = await repository.issuing(session)
    if row is None:
        await adopt_files(session, settings)
        row = await repository.issuing(session)
    if row is None:
        raise RotationRefused("No authority is set to issue certificates.")
    opened = files.open_generation(settings.state_dir, row.name, passphrase_of(settings))
    return files.Generation(row.name, opened)


async def issuing_name(session: AsyncSession) -> str | None:
    row = await repository.issuing(session)
    return None if row is None else row.name


async def pem_of(session: AsyncSession, name: str) -> str:
    """Return an authority's certificate."""
    row = await repository.find(session, name)
    if row is None:
        raise AuthorityNotFound
    return row.pem


async def gateway_ca_pem(session: AsyncSession) -> str:
    """Return the certificates by which callers know the door, newest first."""
    rows = [r for r in await repository.in_force(session) if r.kind == Kind.EMBEDDED.value]
    return "".join(row.pem for row in reversed(rows))


def _put_list(row: RevocationListRow, crl: x509.CertificateRevocationList, number: int) -> None:
    row.number, row.entries, row.pem = number, len(crl), authority.list_pem(crl)
    row.this_update = crl.last_update_utc
    row.next_update = crl.next_update_utc or crl.last_update_utc


async def publish_list(
    session: AsyncSession, settings: Settings, name: str, revoked: list[authority.Revoked]
) -> None:
    """Sign the next revocation list of an embedded authority; lists of one authority follow each other.

    Raises:
        FileNotFoundError, ValueError, TypeError: the authority's key cannot be read.
    """
    await repository.find(session, name, lock=True)
    opened = files.open_generation(settings.state_dir, name, passphrase_of(settings))
    row = await repository.find_list(session, name)
    number = 1 if row is None else row.number + 1
    crl = authority.revocation_list(opened, revoked, number=number)
    if row is None:
        row = RevocationListRow(authority=name)
        session.add(row)
    _put_list(row, crl, number)
    await session.flush()
    await announce(session, "certificate")


async def list_of(session: AsyncSession, name: str) -> RevocationListRow | None:
    return await repository.find_list(session, name)


async def embedded_in_force(session: AsyncSession) -> list[str]:
    """Return the names of the embedded authorities whose certificates are accepted."""
    return [r.name for r in await repository.in_force(session) if r.kind == Kind.EMBEDDED.value]


async def trust(session: AsyncSession) -> Trust:
    """Return everything that the data plane needs, in one reading."""
    rows = await repository.in_force(session)
    lists = {row.authority: row.pem for row in await repository.lists(session)}
    late: dict[str, list[str]] = {}
    for revocation in await repository.late(session):
        late.setdefault(revocation.authority, []).append(revocation.serial)
    return Trust(
        anchors_pem="".join(row.pem for row in rows),
        lists_pem="".join(lists.get(row.name, "") for row in rows),
        issuers=tuple(
            Issuer(row.subject, tuple(row.may_certify), tuple(late.get(row.name, ()))) for row in rows
        ),
    )


async def lock_issuing(session: AsyncSession) -> AuthorityRow | None:
    return await repository.issuing(session, lock=True)


async def add_generation(session: AsyncSession, settings: Settings) -> AuthorityRow:
    """Make the next generation; it issues from now on, and the former one is still trusted."""
    former = await repository.issuing(session, lock=True)
    made = files.make_next_generation(settings.state_dir, passphrase_of(settings))
    if former is not None:
        former.state = AuthorityState.TRUSTED.value
        await session.flush()
    row = _row(made.name, Kind.EMBEDDED, AuthorityState.ISSUING, made.authority.certificate)
    session.add(row)
    await session.flush()
    await publish_list(session, settings, made.name, [])
    return row


async def retire(session: AsyncSession, name: str) -> AuthorityRow:
    """Trust an authority no longer.

    Raises:
        AuthorityNotFound, RotationRefused: there is none, it issues, or it is retired already.
    """
    row = await repository.find(session, name, lock=True)
    if row is None:
        raise AuthorityNotFound
    if row.state not in {AuthorityState.TRUSTED.value, AuthorityState.REGISTERED.value}:
        raise RotationRefused(f"The authority is {row.state}; only one that does not issue is retired.")
    row.state, row.retired_at = AuthorityState.RETIRED.value, datetime.now(UTC)
    await session.flush()
    await announce(session, "certificate")
    return row


async def add_anchor(session: AsyncSession, operator: Operator, *, wanted: AnchorIn) -> AuthorityOut:
    """Register an outside authority; it is trusted from its first revocation list on.

    Raises:
        AnchorRefused: the certificate cannot be an anchor.
        AuthorityExists: the name or the subject is taken.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    certificate = anchors.read_anchor(wanted.pem)
    row = _row(wanted.name, Kind.OUTSIDE, AuthorityState.REGISTERED, certificate)
    row.may_certify = sorted(set(wanted.may_certify))
    if wanted.name.startswith((files.AGENCY_CA, INTERNAL_CA)):
        raise AnchorRefused("This name is the exchange's own.")
    taken = await repository.of_subject(session, row.subject)
    if taken is not None or await repository.find(session, wanted.name) is not None:
        raise AuthorityExists
    session.add(row)
    await session.flush()
    await record_audit(
        session,
        operator,
        action="trust_anchor_added",
        entity_type="authority",
        entity_id=row.name,
        details={"subject": row.subject, "may_certify": row.may_certify},
    )
    return out(row, None)


async def put_outside_list(session: AsyncSession, operator: Operator, *, name: str, pem: str) -> AuthorityOut:
    """Take an outside authority's newest list; what is new in it is denied on open connections too.

    Raises:
        AuthorityNotFound: there is no such outside authority.
        RevocationListRefused: not its list, not current, or older than the one that is here.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    row = await _outside(session, name)
    return out(row, await _take(session, operator, row, pem))


async def _outside(session: AsyncSession, name: str) -> AuthorityRow:
    row = await repository.find(session, name, lock=True)
    if row is None or row.kind != Kind.OUTSIDE.value or row.state == AuthorityState.RETIRED.value:
        raise AuthorityNotFound
    return row


async def _take(session: AsyncSession, actor: Actor, row: AuthorityRow, pem: str) -> RevocationListRow:
    """Put a list in the place of the one that is here; the same list again changes nothing."""
    name = row.name
    crl = anchors.read_list(pem, x509.load_pem_x509_certificate(row.pem.encode()))
    number, now = anchors.number_of(crl), datetime.now(UTC)
    kept = await repository.find_list(session, name)
    known: set[int] = set()
    if kept is not None:
        if crl.last_update_utc < kept.this_update or number < kept.number:
            raise RevocationListRefused("An older list cannot replace a newer one.")
        if (number, crl.last_update_utc, authority.list_pem(crl)) == (
            kept.number,
            kept.this_update,
            kept.pem,
        ):
            return kept
        known = {entry.serial_number for entry in x509.load_pem_x509_crl(kept.pem.encode())}
    fresh = [format(e.serial_number, "x") for e in crl if e.serial_number not in known]
    if kept is None:
        kept = RevocationListRow(authority=name)
        session.add(kept)
    else:
        await repository.put_late(session, name, fresh, now)
    _put_list(kept, crl, number)
    row.state = AuthorityState.TRUSTED.value
    await session.flush()
    await record_audit(
        session,
        actor,
        action="revocation_list_taken",
        entity_type="authority",
        entity_id=name,
        details={"number": str(number), "entries": len(crl), "new": len(fresh)},
    )
    await announce(session, "certificate")
    return kept


async def set_source(
    session: AsyncSession, operator: Operator, *, name: str, wanted: RevocationSourceIn
) -> AuthorityOut:
    """Say where an outside authority's list is fetched, or that it is handed in.

    Raises:
        AuthorityNotFound: there is no such outside authority.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    row = await _outside(session, name)
    source = await repository.find_source(session, name)
    if wanted.url is None:
        if source is not None:
            await session.delete(source)
        source = None
    elif source is None:
        source = RevocationSource(authority=name, url=wanted.url)
        session.add(source)
    else:
        source.url, source.tried_at, source.error = wanted.url, None, None
    await session.flush()
    await record_audit(
        session,
        operator,
        action="revocation_source_set",
        entity_type="authority",
        entity_id=name,
        details={"url": wanted.url},
    )
    return out(row, await repository.find_list(session, name), source)


async def sources_due(session: AsyncSession, settings: Settings) -> Sequence[tuple[str, str]]:
    """Return name and URL of the authorities whose lists are to be fetched now; failures are tried sooner."""
    now, every = datetime.now(UTC), timedelta(seconds=settings.revocation_fetch_seconds)
    return await repository.sources_due(
        session, before=now - every, failed_before=now - min(every, FETCH_AGAIN)
    )


async def take_fetched(session: AsyncSession, actor: Actor, *, name: str, pem: str) -> None:
    """Take a list that was fetched.

    Raises:
        AuthorityNotFound, RevocationListRefused.
    """
    await _take(session, actor, await _outside(session, name), pem)


async def note_fetch(session: AsyncSession, *, name: str, url: str, error: str | None) -> None:
    """Note how a try to fetch a list went; of a place that was given up meanwhile nothing is noted."""
    source = await repository.find_source(session, name)
    if source is not None and source.url == url:
        source.tried_at, source.error = datetime.now(UTC), error
        if error is None:
            source.fetched_at = source.tried_at
        await session.flush()


def _ends_soon(row: RevocationListRow, kind: str, now: datetime) -> bool:
    ahead = EMBEDDED_LIST_ALARM if kind == Kind.EMBEDDED.value else OUTSIDE_LIST_ALARM
    return row.next_update - now < ahead


def list_out(row: RevocationListRow, kind: str) -> RevocationListOut:
    return RevocationListOut(
        authority=row.authority,
        number=row.number,
        entries=row.entries,
        this_update=row.this_update,
        next_update=row.next_update,
        ends_soon=_ends_soon(row, kind, datetime.now(UTC)),
    )


def _source_out(source: RevocationSource) -> RevocationSourceOut:
    return RevocationSourceOut(
        url=source.url, tried_at=source.tried_at, fetched_at=source.fetched_at, error=source.error
    )


def out(
    row: AuthorityRow, found: RevocationListRow | None, source: RevocationSource | None = None
) -> AuthorityOut:
    return AuthorityOut(
        name=row.name,
        kind=Kind(row.kind),
        state=AuthorityState(row.state),
        subject=row.subject,
        not_after=row.not_after,
        may_certify=row.may_certify,
        created_at=row.created_at,
        retired_at=row.retired_at,
        revocation_list=None if found is None else list_out(found, row.kind),
        revocation_source=None if source is None else _source_out(source),
    )


async def all_authorities(session: AsyncSession) -> list[AuthorityOut]:
    lists = {row.authority: row for row in await repository.lists(session)}
    sources = {row.authority: row for row in await repository.sources(session)}
    everyone = await repository.everyone(session)
    return [out(row, lists.get(row.name), sources.get(row.name)) for row in everyone]


async def lists_end_in(_: Runtime, session: AsyncSession) -> Iterable[Metric]:
    """Return for the page of metrics how long a list in force is good for, below zero when it ended."""
    names, now = {row.name for row in await repository.in_force(session)}, datetime.now(UTC)
    rows = [row for row in await repository.lists(session) if row.authority in names]
    return [
        gauge(
            "ndx_revocation_list_left_seconds",
            "How long a revocation list in force is good for; without one nobody of its authority gets in.",
            {(row.authority,): (row.next_update - now).total_seconds() for row in rows},
            ("ndx_authority",),
        )
    ]


async def published_lists(session: AsyncSession) -> RevocationListPage:
    """List the embedded authorities' lists, for anyone."""
    rows = {r.name: r for r in await repository.everyone(session) if r.kind == Kind.EMBEDDED.value}
    found = [row for row in await repository.lists(session) if row.authority in rows]
    return RevocationListPage(items=[list_out(row, Kind.EMBEDDED.value) for row in found])


async def published_list(session: AsyncSession, name: str) -> bytes:
    """Return an embedded authority's list in DER form, for anyone.

    Raises:
        AuthorityNotFound: there is none of that name.
    """
    row, found = await repository.find(session, name), await repository.find_list(session, name)
    if row is None or found is None or row.kind != Kind.EMBEDDED.value:
        raise AuthorityNotFound
    return x509.load_pem_x509_crl(found.pem.encode()).public_bytes(serialization.Encoding.DER)


async def lists_in_danger(session: AsyncSession) -> list[RevocationListOut]:
    """Return the lists in force that end soon and of which nobody has been told, and note that it is told."""
    now = datetime.now(UTC)
    kinds = {row.name: row.kind for row in await repository.in_force(session)}
    found = []
    for row in await repository.lists(session):
        kind = kinds.get(row.authority)
        if kind is not None and row.alarmed_number != row.number and _ends_soon(row, kind, now):
            row.alarmed_number = row.number
            found.append(list_out(row, kind))
    await session.flush()
    return found


async def forget_late(session: AsyncSession) -> None:
    """Forget the serials that no open connection can have any more."""
    await repository.forget_late(session, datetime.now(UTC) - 2 * LONGEST_CONNECTION)
