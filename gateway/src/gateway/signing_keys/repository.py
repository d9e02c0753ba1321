"""All SQL about signing keys."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.signing_keys.models import SigningKey


async def find(session: AsyncSession, key_id: str) -> SigningKey | None:
    return await session.get(SigningKey, key_id, with_for_update=True)


async def add(session: AsyncSession, **values: object) -> bool:
    """Add a key; False when there is one already, also one that is added elsewhere at this moment."""
    adding = insert(SigningKey).values(values).on_conflict_do_nothing().returning(SigningKey.key_id)
    return await session.scalar(adding) is not None


async def of_agency(session: AsyncSession, agency: str, system: str | None = None) -> list[SigningKey]:
    """Return the keys of an agency or of one of its systems, the oldest first."""
    wanted = select(SigningKey).where(SigningKey.agency == agency)
    if system is not None:
        wanted = wanted.where(SigningKey.system == system)
    return list(await session.scalars(wanted.order_by(SigningKey.published_at, SigningKey.key_id)))
