"""All SQL about agreements."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements.models import AgreementDecision, AgreementRow


async def find(session: AsyncSession, agreement_id: str, *, lock: bool = False) -> AgreementRow | None:
    return await session.get(AgreementRow, agreement_id, with_for_update=lock)


async def next_number(session: AsyncSession, consumer: str) -> int:
    count = await session.scalar(
        select(func.count()).select_from(AgreementRow).where(AgreementRow.consumer_agency == consumer)
    )
    return int(count or 0) + 1


async def in_states(
    session: AsyncSession,
    states: Sequence[str] | None,
    consumer: str | None = None,
    *,
    lock: bool = False,
) -> Sequence[AgreementRow]:
    statement = select(AgreementRow).order_by(AgreementRow.agreement_id)
    if lock:
        # Rows that an operator is changing now have their turn in the calendar's next round.
        statement = statement.with_for_update(skip_locked=True)
    if states is not None:
        statement = statement.where(AgreementRow.state.in_(states))
    if consumer is not None:
        statement = statement.where(AgreementRow.consumer_agency == consumer)
    return (await session.scalars(statement)).all()


async def drafters(session: AsyncSession, agreement_id: str) -> set[str]:
    """Return everybody who wrote terms of the agreement."""
    statement = select(AgreementDecision.decided_by).where(
        (AgreementDecision.agreement_id == agreement_id) & AgreementDecision.action.in_(("draft", "change"))
    )
    return set((await session.scalars(statement)).all())


async def history(session: AsyncSession, agreement_id: str) -> Sequence[AgreementDecision]:
    statement = (
        select(AgreementDecision)
        .where(AgreementDecision.agreement_id == agreement_id)
        .order_by(AgreementDecision.id)
    )
    return (await session.scalars(statement)).all()
