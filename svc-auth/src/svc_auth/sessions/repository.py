"""All SQL about log-in transactions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.sessions.models import LoginTransaction, TransactionState


async def add(session: AsyncSession, transaction: LoginTransaction) -> None:
    session.add(transaction)
    await session.flush()


async def open_one(session: AsyncSession, transaction_id: UUID, browser: bytes) -> LoginTransaction | None:
    """Return an open, unexpired transaction of this browser."""
    return await session.scalar(select(LoginTransaction).where(*_open(transaction_id, browser)))


async def take_attempt(
    session: AsyncSession, transaction_id: UUID, browser: bytes, *, most: int
) -> LoginTransaction | None:
    """Count an attempt; None when the transaction is not open or has none left."""
    statement = (
        update(LoginTransaction)
        .where(*_open(transaction_id, browser), LoginTransaction.attempts < most)
        .values(attempts=LoginTransaction.attempts + 1)
        .returning(LoginTransaction)
    )
    return await session.scalar(statement)


async def end(session: AsyncSession, transaction_id: UUID, state: TransactionState) -> bool:
    """End an open transaction; False when another request ended it first."""
    statement = (
        update(LoginTransaction)
        .where((LoginTransaction.id == transaction_id) & (LoginTransaction.state == TransactionState.OPEN))
        .values(state=state)
        .returning(LoginTransaction.id)
        .execution_options(synchronize_session=False)
    )
    return await session.scalar(statement) is not None


async def forget(session: AsyncSession, before: datetime) -> None:
    await session.execute(delete(LoginTransaction).where(LoginTransaction.expires_at < before))


def _open(transaction_id: UUID, browser: bytes) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginTransaction.id == transaction_id,
        LoginTransaction.browser == browser,
        LoginTransaction.state == TransactionState.OPEN,
        LoginTransaction.expires_at > func.clock_timestamp(),
    )
