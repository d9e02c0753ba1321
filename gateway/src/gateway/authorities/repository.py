"""All SQL about authorities and revocation lists."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Text, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from gateway.authorities.models import (
    IN_FORCE,
    AuthorityRow,
    LateRevocation,
    RevocationListRow,
    RevocationSource,
)
from gateway.authorities.vocabulary import AuthorityState

MOST_LATE = 250_000
"""Late revocations of one authority: as many as a list of five megabytes can bring."""


async def find(session: AsyncSession, name: str, *, lock: bool = False) -> AuthorityRow | None:
    return await session.get(AuthorityRow, name, with_for_update=lock)


async def of_subject(session: AsyncSession, subject: str) -> AuthorityRow | None:
    return (await session.scalars(select(AuthorityRow).where(AuthorityRow.subject == subject))).first()


async def everyone(session: AsyncSession) -> Sequence[AuthorityRow]:
    statement = select(AuthorityRow).order_by(AuthorityRow.created_at, AuthorityRow.name)
    return (await session.scalars(statement)).all()


async def in_force(session: AsyncSession) -> Sequence[AuthorityRow]:
    """Return the issuing and the trusted ones, oldest first."""
    statement = select(AuthorityRow).where(AuthorityRow.state.in_(IN_FORCE))
    return (await session.scalars(statement.order_by(AuthorityRow.created_at, AuthorityRow.name))).all()


async def issuing(session: AsyncSession, *, lock: bool = False) -> AuthorityRow | None:
    statement = select(AuthorityRow).where(AuthorityRow.state == AuthorityState.ISSUING.value)
    return (await session.scalars(statement.with_for_update() if lock else statement)).first()


async def find_list(session: AsyncSession, authority: str) -> RevocationListRow | None:
    return await session.get(RevocationListRow, authority, populate_existing=True)


async def lists(session: AsyncSession) -> Sequence[RevocationListRow]:
    """Return what is known of each list, without its text, which may have megabytes."""
    known = select(RevocationListRow).options(defer(RevocationListRow.pem, raiseload=True))
    return (await session.scalars(known.order_by(RevocationListRow.authority))).all()


async def list_texts(session: AsyncSession) -> dict[str, str]:
    """Return each authority's list in PEM form."""
    rows = await session.execute(select(RevocationListRow.authority, RevocationListRow.pem))
    return {row.authority: row.pem for row in rows}


async def find_source(session: AsyncSession, authority: str) -> RevocationSource | None:
    return await session.get(RevocationSource, authority)


async def sources(session: AsyncSession) -> Sequence[RevocationSource]:
    statement = select(RevocationSource).order_by(RevocationSource.authority)
    return (await session.scalars(statement)).all()


async def sources_due(
    session: AsyncSession, *, before: datetime, failed_before: datetime
) -> Sequence[tuple[str, str]]:
    """Return authority and URL of those tried last before a moment, or before a later one and in vain."""
    tried = RevocationSource.tried_at
    due = (
        tried.is_(None) | (tried <= before) | (RevocationSource.error.is_not(None) & (tried <= failed_before))
    )
    wanted = select(RevocationSource.authority, RevocationSource.url)
    wanted = wanted.join(AuthorityRow, AuthorityRow.name == RevocationSource.authority)
    live = AuthorityRow.state != AuthorityState.RETIRED.value
    rows = await session.execute(wanted.where(due & live).order_by(RevocationSource.authority))
    return [(name, url) for name, url in rows]


async def put_late(session: AsyncSession, authority: str, serials: Sequence[str], now: datetime) -> int:
    """Add serials of an authority; return how many of the oldest had to go for them."""
    given = func.unnest(cast(list(serials), ARRAY(Text)))
    rows = select(literal(authority), given, literal(now, TIMESTAMP(timezone=True)))
    adding = insert(LateRevocation).from_select(["authority", "serial", "seen_at"], rows)
    await session.execute(adding.on_conflict_do_nothing())
    mine = LateRevocation.authority == authority
    newest_first = select(LateRevocation.serial).where(mine).order_by(LateRevocation.seen_at.desc())
    old = newest_first.order_by(LateRevocation.serial).offset(MOST_LATE)
    gone = delete(LateRevocation).where(mine & LateRevocation.serial.in_(old))
    return len((await session.execute(gone.returning(LateRevocation.serial))).all())


async def late(session: AsyncSession) -> dict[str, tuple[str, ...]]:
    """Return the serials of each authority, in their order."""
    serials = func.array_agg(aggregate_order_by(LateRevocation.serial, LateRevocation.serial))
    rows = await session.execute(select(LateRevocation.authority, serials).group_by(LateRevocation.authority))
    return {name: tuple(found) for name, found in rows}


async def forget_late(session: AsyncSession, before: datetime) -> None:
    await session.execute(delete(LateRevocation).where(LateRevocation.seen_at < before))
