"""All SQL about citizen accounts."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.citizen_accounts.models import CitizenAccount


async def account(session: AsyncSession, account_id: UUID) -> CitizenAccount | None:
    return await session.scalar(select(CitizenAccount).where(CitizenAccount.account_id == account_id))


async def merge(session: AsyncSession, account_id: UUID, version: int, values: dict[str, Any]) -> None:
    """Write what an event says, unless a later one was here before; a number is kept once known."""
    statement = insert(CitizenAccount).values(
        account_id=account_id,
        account_version=version,
        **{"locked": False, "personal_id": None, "level": None, **values},
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[CitizenAccount.account_id],
            set_={**values, "account_version": version},
            where=CitizenAccount.account_version <= version,
        )
    )


async def name_holder(session: AsyncSession, account_id: UUID, personal_id: str, level: int) -> None:
    """Fill in the holder of an account that a later event made known first."""
    statement = insert(CitizenAccount).values(
        account_id=account_id, account_version=0, locked=False, personal_id=personal_id, level=level
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[CitizenAccount.account_id],
            set_={"personal_id": personal_id, "level": level},
            where=CitizenAccount.personal_id.is_(None),
        )
    )
