"""All SQL about agencies, systems and operators."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies.models import Agency, BusOperator, System


async def find_agency(session: AsyncSession, code: str, *, lock: bool = False) -> Agency | None:
    return await session.get(Agency, code, with_for_update=lock)


async def page_of_agencies(session: AsyncSession, after: str, limit: int) -> Sequence[Agency]:
    statement = select(Agency).where(Agency.code > after).order_by(Agency.code).limit(limit)
    return (await session.scalars(statement)).all()


async def all_agencies(session: AsyncSession) -> Sequence[Agency]:
    return (await session.scalars(select(Agency).order_by(Agency.code))).all()


async def all_systems(session: AsyncSession) -> Sequence[System]:
    return (await session.scalars(select(System).order_by(System.agency, System.code))).all()


async def find_system(session: AsyncSession, agency: str, code: str) -> System | None:
    return await session.get(System, (agency, code), with_for_update=True)


async def system_of_code(session: AsyncSession, enrolment_hash: str) -> System | None:
    statement = select(System).where(System.enrolment_hash == enrolment_hash).with_for_update()
    return (await session.scalars(statement)).first()


async def find_operator(session: AsyncSession, agency: str, login: str) -> BusOperator | None:
    return await session.get(BusOperator, (agency, login))


async def all_operators(session: AsyncSession) -> Sequence[BusOperator]:
    return (await session.scalars(select(BusOperator))).all()
