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
    session: AsyncSession, states: Sequence[str] | None, consumer: str | None = None
) -> Sequence[AgreementRow]:
    statement = select(AgreementRow).order_by(AgreementRow.agreement_id)
    if states is not None:
        statement = statement.where(AgreementRow.state.in_(states))
    if consumer is not None:
        statement = statement.where(AgreementRow.consumer_agency == consumer)
    return (await session.scalars(statement)).all()


async def history(session: AsyncSession, agreement_id: str) -> Sequence[AgreementDecision]:
    statement = (
        select(AgreementDecision)
        .where(AgreementDecision.agreement_id == agreement_id)
        .order_by(AgreementDecision.id)
    )
    return (await session.scalars(statement)).all()
