"""Use cases: who may vouch for callers, and which certificates have been revoked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from ndx_chassis.app import Runtime
from ndx_chassis.metrics import gauge
from ndx_chassis.telemetry import log
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.authorities import anchors, authority, files, repository
from gateway.authorities.errors import (
    AuthorityNotFound,
    RotationRefused,
)
from gateway.authorities.models import AuthorityRow, RevocationListRow, RevocationSource
from gateway.authorities.schemas import (
    AuthorityOut,
    RevocationListOut,
    RevocationListPage,
    RevocationSourceOut,
)
from gateway.authorities.vocabulary import AuthorityState, Kind
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


def row_of(name: str, kind: Kind, state: AuthorityState, certificate: x509.Certificate) -> AuthorityRow:
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
            session.add(row_of(generation.name, Kind.EMBEDDED, state, generation.authority.certificate))
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


def put_list(row: RevocationListRow, new: anchors.NewList) -> None:
    """Let a list take the place of the one in this row."""
    row.number, row.entries, row.pem = new.number, new.entries, new.pem
    row.this_update, row.next_update = new.this_update, new.next_update


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
    put_list(row, anchors.described(crl, number))
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
    lists, late = await repository.list_texts(session), await repository.late(session)
    return Trust(
        anchors_pem="".join(row.pem for row in rows),
        lists_pem="".join(lists.get(row.name, "") for row in rows),
        issuers=tuple(Issuer(row.subject, tuple(row.may_certify), late.get(row.name, ())) for row in rows),
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
    row = row_of(made.name, Kind.EMBEDDED, AuthorityState.ISSUING, made.authority.certificate)
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
