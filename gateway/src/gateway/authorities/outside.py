"""Use cases: outside authorities, where their revocation lists lie, and the lists as they are taken.

A list may have megabytes: it is read in threads of its own, so that meanwhile everybody else is answered.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.authorities import anchors, files, repository
from gateway.authorities.errors import AnchorRefused, AuthorityExists, AuthorityNotFound
from gateway.authorities.internal import INTERNAL_CA
from gateway.authorities.models import AuthorityRow, RevocationListRow, RevocationSource
from gateway.authorities.schemas import AnchorIn, AuthorityOut, RevocationSourceIn
from gateway.authorities.service import out, put_list, row_of
from gateway.authorities.vocabulary import AuthorityState, Kind
from gateway.notices import announce
from gateway.settings import Settings

FETCH_AGAIN = timedelta(minutes=5)
"""After how long a list that could not be fetched is tried again."""
_READERS = ThreadPoolExecutor(2, thread_name_prefix="revocation-lists")


async def add_anchor(session: AsyncSession, operator: Operator, *, wanted: AnchorIn) -> AuthorityOut:
    """Register an outside authority; it is trusted from its first revocation list on.

    Raises:
        AnchorRefused: the certificate cannot be an anchor.
        AuthorityExists: the name or the subject is taken.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    certificate = anchors.read_anchor(wanted.pem)
    row = row_of(wanted.name, Kind.OUTSIDE, AuthorityState.REGISTERED, certificate)
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
    return out(row, await _take(session, operator, row, pem.encode()))


async def _outside(session: AsyncSession, name: str) -> AuthorityRow:
    row = await repository.find(session, name, lock=True)
    if row is None or row.kind != Kind.OUTSIDE.value or row.state == AuthorityState.RETIRED.value:
        raise AuthorityNotFound
    return row


async def _take(session: AsyncSession, actor: Actor, row: AuthorityRow, data: bytes) -> RevocationListRow:
    """Put a list in the place of the one that is here; the same list again changes nothing."""
    name, now = row.name, datetime.now(UTC)
    kept = await repository.find_list(session, name)
    known = None if kept is None else anchors.Known(kept.number, kept.this_update, kept.pem)
    loop = asyncio.get_running_loop()
    new = await loop.run_in_executor(_READERS, anchors.read_newer, data, row.pem, known)
    if kept is not None and known == anchors.Known(new.number, new.this_update, new.pem):
        return kept
    dropped = 0
    if kept is None:
        kept = RevocationListRow(authority=name)
        session.add(kept)
    else:
        dropped = await repository.put_late(session, name, new.fresh, now)
    put_list(kept, new)
    row.state = AuthorityState.TRUSTED.value
    await session.flush()
    if dropped:
        log.error("late_revocations_dropped", authority=name, dropped=dropped)
    await record_audit(
        session,
        actor,
        action="revocation_list_taken",
        entity_type="authority",
        entity_id=name,
        details={"number": str(new.number), "entries": new.entries, "new": len(new.fresh)},
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


async def take_fetched(session: AsyncSession, actor: Actor, *, name: str, data: bytes) -> None:
    """Take a list that was fetched, in PEM or DER form.

    Raises:
        AuthorityNotFound, RevocationListRefused.
    """
    await _take(session, actor, await _outside(session, name), data)


async def note_fetch(session: AsyncSession, *, name: str, url: str, error: str | None) -> None:
    """Note how a try to fetch a list went; of a place that was given up meanwhile nothing is noted."""
    source = await repository.find_source(session, name)
    if source is not None and source.url == url:
        source.tried_at, source.error = datetime.now(UTC), error
        if error is None:
            source.fetched_at = source.tried_at
        await session.flush()
