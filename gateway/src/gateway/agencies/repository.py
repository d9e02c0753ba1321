"""All SQL about agencies, systems and operators."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies.models import Agency, BusOperator, System


async def find_agency(session: AsyncSession, code: str, *, lock: bool = False) -> Agency | None:
    return await session.get(Agency, code, with_for_update=lock)


async def find_agencies(session: AsyncSession, codes: Collection[str]) -> Sequence[Agency]:
    return (await session.scalars(select(Agency).where(Agency.code.in_(codes)))).all()


async def find_agency_to_stay(session: AsyncSession, code: str) -> Agency | None:
    """Return an agency as it is now, which does not change until the transaction ends."""
    return await session.get(Agency, code, with_for_update={"read": True}, populate_existing=True)


async def lock_systems(session: AsyncSession, agency: str) -> None:
    """Hold an agency's systems until the transaction ends."""
    mine = select(System.code).where(System.agency == agency).order_by(System.code).with_for_update()
    await session.execute(mine)


async def close_members(session: AsyncSession, agency: str) -> None:
    """Close an agency's systems and operators; enrolment codes that were given out are worth nothing."""
    ended = {"state": "CLOSED", "enrolment_handle": None, "enrolment_hash": None}
    await session.execute(update(System).where(System.agency == agency).values(**ended))
    await session.execute(update(BusOperator).where(BusOperator.agency == agency).values(state="CLOSED"))


async def page_of_agencies(session: AsyncSession, after: str, limit: int) -> Sequence[Agency]:
    statement = select(Agency).where(Agency.code > after).order_by(Agency.code).limit(limit)
    return (await session.scalars(statement)).all()


async def states_of_agencies(session: AsyncSession, code: str | None = None) -> Sequence[Row[str, str, str]]:
    """Return code, state and class of every agency, or of one."""
    statement = select(Agency.code, Agency.state, Agency.agency_class).order_by(Agency.code)
    if code is not None:
        statement = statement.where(Agency.code == code)
    return (await session.execute(statement)).all()


async def states_of_systems(session: AsyncSession, agency: str | None = None) -> Sequence[Row[str, str, str]]:
    """Return agency, code and state of every system, or of one agency's."""
    statement = select(System.agency, System.code, System.state).order_by(System.agency, System.code)
    if agency is not None:
        statement = statement.where(System.agency == agency)
    return (await session.execute(statement)).all()


async def systems_of(session: AsyncSession, agency: str) -> Sequence[str]:
    statement = select(System.code).where(System.agency == agency).order_by(System.code)
    return (await session.scalars(statement)).all()


async def find_system(session: AsyncSession, agency: str, code: str) -> System | None:
    return await session.get(System, (agency, code), with_for_update=True)


async def system_of_handle(session: AsyncSession, handle: str) -> System | None:
    statement = select(System).where(System.enrolment_handle == handle).with_for_update()
    return (await session.scalars(statement)).first()


async def count_try(session: AsyncSession, handle: str, *, most: int) -> bool:
    """Count one try of a code; False when there is no such code or none is left."""
    statement = (
        update(System)
        .where((System.enrolment_handle == handle) & (System.enrolment_tries < most))
        .values(enrolment_tries=System.enrolment_tries + 1)
        .returning(System.code)
    )
    return (await session.scalars(statement)).first() is not None


async def open_codes(session: AsyncSession, now: datetime) -> Sequence[System]:
    """Return the systems whose enrolment code still waits to be used."""
    waiting = System.enrolment_handle.is_not(None) & System.enrolment_serial.is_(None)
    statement = select(System).where(waiting & (System.enrolment_expires_at > now))
    return (await session.scalars(statement.order_by(System.agency, System.code))).all()


async def find_operator(session: AsyncSession, agency: str, login: str) -> BusOperator | None:
    return await session.get(BusOperator, (agency, login))


async def all_operators(session: AsyncSession) -> Sequence[BusOperator]:
    return (await session.scalars(select(BusOperator))).all()
