"""All SQL about log-in transactions."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.sessions.models import LoginTransaction, TransactionState


async def may_be_tried(session: AsyncSession, transaction_id: UUID, *, most: int) -> bool:
    """Tell whether a log-in was not tried yet, or is open with attempts left."""
    found = await session.execute(
        select(LoginTransaction.state, LoginTransaction.attempts).where(LoginTransaction.id == transaction_id)
    )
    row = found.one_or_none()
    return row is None or (row.state == TransactionState.OPEN and row.attempts < most)


async def add_once(session: AsyncSession, values: Mapping[str, object]) -> None:
    """Keep a log-in from its first attempt on; of two at one instant the second waits for the first."""
    await session.execute(insert(LoginTransaction).values(**values).on_conflict_do_nothing())


async def take_attempt(
    session: AsyncSession, transaction_id: UUID, browser: bytes, *, most: int
) -> int | None:
    """Count an attempt and return how many there are; None when it is not open or has none left."""
    statement = (
        update(LoginTransaction)
        .where(*_open(transaction_id, browser), LoginTransaction.attempts < most)
        .values(attempts=LoginTransaction.attempts + 1)
        .returning(LoginTransaction.attempts)
        .execution_options(synchronize_session=False)
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
