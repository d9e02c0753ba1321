"""All SQL about taxpayers."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_tax_link.taxpayers.models import Death, LegacyCode, Taxpayer, TaxpayerState

# Built once: building a statement costs more than running it.
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("number", type_=Text), 0)))
_BY_PERSONAL_ID = select(Taxpayer).where(Taxpayer.personal_id == bindparam("number"))
_DEATH = select(Death.died_on).where(Death.personal_id == bindparam("number"))
_LIVING = (
    select(Taxpayer.personal_id, Taxpayer.id)
    .where(
        Taxpayer.personal_id.in_(bindparam("numbers", expanding=True)),
        Taxpayer.state.in_([TaxpayerState.MATCHED.value, TaxpayerState.DUP_TAX_CODE.value]),
    )
    .order_by(Taxpayer.personal_id)
    .with_for_update(read=True)
)


async def lock(session: AsyncSession, personal_id: str) -> None:
    """Serialise everything about one person until the transaction ends, whether or not a row exists."""
    await session.execute(_LOCK, {"number": personal_id})


async def by_personal_id(session: AsyncSession, personal_id: str) -> Taxpayer | None:
    found = await session.execute(_BY_PERSONAL_ID, {"number": personal_id})
    return found.scalar_one_or_none()


async def by_id(session: AsyncSession, taxpayer_id: UUID) -> Taxpayer:
    return (await session.execute(select(Taxpayer).where(Taxpayer.id == taxpayer_id))).scalar_one()


async def living(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, UUID]:
    """Return the taxpayers among these people, held as they are until the transaction ends."""
    if not personal_ids:
        return {}
    found = await session.execute(_LIVING, {"numbers": list(personal_ids)})
    return {row.personal_id: row.id for row in found}


async def death_of(session: AsyncSession, personal_id: str) -> date | None:
    died_on: date | None = await session.scalar(_DEATH, {"number": personal_id})
    return died_on


async def add(session: AsyncSession, taxpayer: Taxpayer) -> None:
    session.add(taxpayer)
    await session.flush()


async def add_code(session: AsyncSession, code: str, taxpayer_id: UUID) -> UUID:
    """Keep a legacy code unless it is known; return whose it is."""
    await session.execute(
        insert(LegacyCode).values(code=code, taxpayer_id=taxpayer_id).on_conflict_do_nothing()
    )
    found = await session.execute(select(LegacyCode.taxpayer_id).where(LegacyCode.code == code))
    return found.scalar_one()


async def codes_of(session: AsyncSession, taxpayer_id: UUID) -> tuple[str, ...]:
    found = await session.execute(
        select(LegacyCode.code)
        .where(LegacyCode.taxpayer_id == taxpayer_id)
        .order_by(LegacyCode.recorded_at, LegacyCode.code)
    )
    return tuple(found.scalars())


async def record_death(session: AsyncSession, personal_id: str, died_on: date) -> UUID | None:
    """Remember a death and close the taxpayer; return the taxpayer's id when there is one."""
    await session.execute(
        insert(Death)
        .values(personal_id=personal_id, died_on=died_on)
        .on_conflict_do_update(index_elements=[Death.personal_id], set_={"died_on": died_on})
    )
    done = await session.execute(
        update(Taxpayer)
        .where(Taxpayer.personal_id == personal_id)
        .values(state=TaxpayerState.DECEASED_CLOSE.value, died_on=died_on)
        .returning(Taxpayer.id)
    )
    return done.scalar_one_or_none()
