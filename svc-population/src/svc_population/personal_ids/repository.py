"""All SQL about requests for numbers."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.personal_ids.models import PersonalIdRequest


def _mine(agency: str, request_id: UUID) -> Any:
    return (PersonalIdRequest.agency == agency) & (PersonalIdRequest.request_id == request_id)


async def receive(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert a request; False when it is there. Waits for another transaction that is inserting it now."""
    statement = insert(PersonalIdRequest).values(**values).on_conflict_do_nothing()
    return (await session.execute(statement.returning(PersonalIdRequest.request_id))).first() is not None


async def request(session: AsyncSession, agency: str, request_id: UUID) -> PersonalIdRequest | None:
    return await session.scalar(select(PersonalIdRequest).where(_mine(agency, request_id)))


async def settle(session: AsyncSession, agency: str, request_id: UUID, values: dict[str, Any]) -> None:
    await session.execute(
        update(PersonalIdRequest).where(_mine(agency, request_id)).values(**values),
        execution_options={"synchronize_session": False},
    )


async def serialise(session: AsyncSession, key: str) -> None:
    """Let transactions about the same thing come one after another, until each ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 20))"), {"key": key})


async def issued_like(
    session: AsyncSession, *, birth_date: Any, folded_name: str, commune: str
) -> Row[Any] | None:
    """Return a request that got a number for the same name and day in the same commune."""
    return (
        await session.execute(
            select(PersonalIdRequest.request_id)
            .where(
                (PersonalIdRequest.state == "ISSUED")
                & (PersonalIdRequest.birth_date == birth_date)
                & (PersonalIdRequest.folded_name == folded_name)
                & (PersonalIdRequest.registration_commune_code == commune)
            )
            .limit(1)
        )
    ).first()
