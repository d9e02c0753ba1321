"""All SQL about grants and codes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.oidc.models import AuthorizationCode, Grant


async def add(session: AsyncSession, grant: Grant, code: AuthorizationCode) -> None:
    session.add(grant)
    await session.flush()
    session.add(code)
    await session.flush()


async def code_for_update(session: AsyncSession, digest: bytes) -> AuthorizationCode | None:
    """Return a code, held until the transaction ends: two redemptions come one after the other."""
    return await session.scalar(
        select(AuthorizationCode).where(AuthorizationCode.digest == digest).with_for_update()
    )


async def grant(session: AsyncSession, grant_id: UUID) -> Grant | None:
    return await session.scalar(select(Grant).where(Grant.id == grant_id))


async def revoke(
    session: AsyncSession, *, cause: str, grant_id: UUID | None = None, account_id: UUID | None = None
) -> int:
    """Revoke one grant, or all of an account; return how many were in force."""
    statement = update(Grant).where(Grant.revoked_at.is_(None))
    if grant_id is not None:
        statement = statement.where(Grant.id == grant_id)
    if account_id is not None:
        statement = statement.where(Grant.account_id == account_id)
    revoked = await session.execute(
        statement.values(revoked_at=func.clock_timestamp(), revoke_cause=cause)
        .returning(Grant.id)
        .execution_options(synchronize_session=False)
    )
    return len(revoked.all())


async def forget(session: AsyncSession, before: datetime) -> None:
    """Delete grants, and with them their codes, that ended before a time."""
    await session.execute(delete(Grant).where(Grant.ends_at < before))
