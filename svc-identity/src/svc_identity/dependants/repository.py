"""All SQL about dependants."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from svc_identity.dependants.models import Dependant, EndCause


async def add(session: AsyncSession, **values: Any) -> Dependant | None:
    """Insert an attachment; None when it exists."""
    statement = insert(Dependant).values(**values).on_conflict_do_nothing().returning(Dependant)
    return await session.scalar(statement)


async def current_of(session: AsyncSession, account_id: UUID, *, day: date) -> Sequence[Dependant]:
    statement = select(Dependant).where(
        (Dependant.account_id == account_id) & Dependant.ended_at.is_(None) & (Dependant.ends_on > day)
    )
    return (await session.scalars(statement.order_by(Dependant.birth_date.desc(), Dependant.id))).all()


async def end(
    session: AsyncSession,
    cause: EndCause,
    *,
    dependant: str | None = None,
    guardian: str | None = None,
    due: date | None = None,
    limit: int = 500,
) -> Sequence[Dependant]:
    """End the open attachments of a dependant, of a guardian, or those whose day has come; return them."""
    chosen = select(Dependant.id).where(Dependant.ended_at.is_(None))
    if dependant is not None:
        chosen = chosen.where(Dependant.dependant_personal_id == dependant)
    if guardian is not None:
        chosen = chosen.where(Dependant.guardian_personal_id == guardian)
    if due is not None:
        chosen = chosen.where(Dependant.ends_on <= due)
    ids = chosen.limit(limit).with_for_update(skip_locked=due is not None)
    statement = (
        update(Dependant)
        .where(Dependant.id.in_(ids.scalar_subquery()))
        .values(ended_at=func.clock_timestamp(), end_cause=cause)
        .returning(Dependant)
        .execution_options(synchronize_session=False)
    )
    return (await session.scalars(statement)).all()


async def resume(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Dependant]:
    """Attach again what a merger ended; return what hangs again."""
    statement = (
        update(Dependant)
        .where(Dependant.id.in_(ids), Dependant.end_cause == EndCause.PERSONS_MERGED)
        .values(ended_at=None, end_cause=None)
        .returning(Dependant)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def ended_by_death(session: AsyncSession, number: str, *, day: date) -> Sequence[Dependant]:
    """Return what the death of a child or of a guardian ended, unless the age has ended it since."""
    as_child = (Dependant.dependant_personal_id == number) & (
        Dependant.end_cause == EndCause.DEPENDANT_DECEASED
    )
    as_guardian = (Dependant.guardian_personal_id == number) & (
        Dependant.end_cause == EndCause.GUARDIAN_DECEASED
    )
    statement = select(Dependant).where(as_child | as_guardian, Dependant.ends_on > day)
    return (await session.scalars(statement.order_by(Dependant.id).with_for_update())).all()


_OTHER = aliased(Dependant)


async def rename(
    session: AsyncSession, old: str, new: str, *, only: Sequence[UUID] | None = None
) -> Sequence[UUID]:
    """Let a dependant have another number, but not twice on one account; return which attachments."""
    twice = exists().where(_OTHER.account_id == Dependant.account_id, _OTHER.dependant_personal_id == new)
    statement = update(Dependant).where(Dependant.dependant_personal_id == old, ~twice)
    if only is not None:
        statement = statement.where(Dependant.id.in_(only))
    done = await session.scalars(
        statement.values(dependant_personal_id=new)
        .returning(Dependant.id)
        .execution_options(synchronize_session=False)
    )
    return done.all()


async def of_guardian(
    session: AsyncSession, guardian: str, *, only: Sequence[UUID] | None = None
) -> Sequence[Dependant]:
    """Return a guardian's attachments, open or ended by their death, held until the transaction ends."""
    open_again = Dependant.ended_at.is_(None) | (Dependant.end_cause == EndCause.GUARDIAN_DECEASED)
    statement = select(Dependant).where(Dependant.guardian_personal_id == guardian, open_again)
    if only is not None:
        statement = statement.where(Dependant.id.in_(only))
    return (await session.scalars(statement.order_by(Dependant.id).with_for_update())).all()


async def hangs_on(session: AsyncSession, account_id: UUID, child: str) -> bool:
    """Tell whether the child hangs on the account, or did."""
    found = exists().where(Dependant.account_id == account_id, Dependant.dependant_personal_id == child)
    return bool(await session.scalar(select(found)))
