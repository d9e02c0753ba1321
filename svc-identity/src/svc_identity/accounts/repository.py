"""All SQL about accounts and their locks."""

from collections.abc import Sequence
from uuid import UUID

from ndx_chassis.told import Told
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts.models import Account, AccountLock, EndOfLife


async def add_account(session: AsyncSession, account: Account) -> Account | None:
    """Insert an account; None when another request opened one for this person an instant before."""
    values = {c.key: getattr(account, c.key) for c in Account.__table__.columns}
    statement = insert(Account).values(**values).on_conflict_do_nothing().returning(Account)
    return await session.scalar(statement)


async def add_lock(session: AsyncSession, lock: AccountLock) -> None:
    session.add(lock)
    await session.flush()


async def account(session: AsyncSession, account_id: UUID, *, lock: bool = False) -> Account | None:
    statement = select(Account).where(Account.id == account_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def account_of(session: AsyncSession, personal_id: str, *, lock: bool = False) -> Account | None:
    statement = select(Account).where(Account.personal_id == personal_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def open_locks(session: AsyncSession, account_id: UUID) -> Sequence[AccountLock]:
    statement = select(AccountLock).where(
        (AccountLock.account_id == account_id) & AccountLock.ended_at.is_(None)
    )
    return (await session.scalars(statement.order_by(AccountLock.started_at))).all()


async def hold(session: AsyncSession, personal_ids: Sequence[str]) -> None:
    """Let what is told of these numbers happen one after the other; taken in one order."""
    for number in sorted(personal_ids):
        await session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"number:{number}", 0)))
        )


async def tell_life(session: AsyncSession, personal_id: str, word: Told, *, dead: bool) -> bool:
    """Note what is told of a record's death; False when a later word of it is known."""
    news = {"personal_id": personal_id, "version": word.version, "dead": dead}
    statement = insert(EndOfLife).values(record=word.record, **news)
    told = await session.execute(
        statement.on_conflict_do_update(
            index_elements=[EndOfLife.record], set_=news, where=EndOfLife.version < word.version
        ).returning(EndOfLife.record)
    )
    return told.first() is not None


async def words_of(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, Told | None]:
    """Return which word was told last of each of these numbers, if any was."""
    found = await session.scalars(
        select(EndOfLife).where(EndOfLife.personal_id.in_(personal_ids)).order_by(EndOfLife.told_at)
    )
    return {row.personal_id: Told(row.record, row.version) for row in found}


async def is_dead(session: AsyncSession, personal_id: str) -> bool:
    """Tell whether a death of this very number is known."""
    statement = select(EndOfLife.record).where(EndOfLife.personal_id == personal_id, EndOfLife.dead)
    return (await session.scalars(statement.limit(1))).first() is not None


async def lives_again(session: AsyncSession, personal_id: str) -> bool:
    """Tell whether the latest word of this number is that a death was taken back."""
    statement = select(EndOfLife.record).where(EndOfLife.personal_id == personal_id, ~EndOfLife.dead)
    known = (await session.scalars(statement.limit(1))).first() is not None
    return known and not await is_dead(session, personal_id)
