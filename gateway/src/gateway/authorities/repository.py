"""All SQL about authorities and revocation lists."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.authorities.models import (
    IN_FORCE,
    AuthorityRow,
    LateRevocation,
    RevocationListRow,
    RevocationSource,
)
from gateway.authorities.vocabulary import AuthorityState


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
    return (await session.scalars(select(RevocationListRow).order_by(RevocationListRow.authority))).all()


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


async def put_late(session: AsyncSession, authority: str, serials: Sequence[str], now: datetime) -> None:
    rows = [{"authority": authority, "serial": s, "seen_at": now} for s in serials]
    for start in range(0, len(rows), 1000):
        statement = insert(LateRevocation).values(rows[start : start + 1000])
        await session.execute(statement.on_conflict_do_nothing())


async def late(session: AsyncSession) -> Sequence[LateRevocation]:
    return (await session.scalars(select(LateRevocation).order_by(LateRevocation.serial))).all()


async def forget_late(session: AsyncSession, before: datetime) -> None:
    await session.execute(delete(LateRevocation).where(LateRevocation.seen_at < before))
