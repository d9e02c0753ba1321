"""All SQL about taxpayers."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.told import Told, outweighed
from sqlalchemy import Text, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_tax_link.taxpayers.models import Death, LegacyCode, Taxpayer, TaxpayerState

# Built once: building a statement costs more than running it.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(key) FROM"
    " (SELECT DISTINCT hashtextextended(number, 0) AS key FROM unnest(:numbers) AS number"
    "  ORDER BY key) AS keys"
).bindparams(bindparam("numbers", type_=ARRAY(Text)))
_numbers = bindparam("numbers", type_=ARRAY(Text))
_TODAY = func.coalesce(former_numbers.number_of_today(), bindparam("number"))
_BY_PERSONAL_ID = select(Taxpayer).where(Taxpayer.personal_id == _TODAY)
_WORDS = select(Death.personal_id, Death.died_on, Death.record, Death.version).where(
    Death.personal_id == func.any(_numbers)
)
_LIVING = (
    select(Taxpayer.personal_id, Taxpayer.id)
    .where(
        Taxpayer.personal_id.in_(bindparam("numbers", expanding=True)),
        Taxpayer.state.in_([TaxpayerState.MATCHED.value, TaxpayerState.DUP_TAX_CODE.value]),
    )
    .order_by(Taxpayer.personal_id)
    .with_for_update(read=True)
)


async def lock(session: AsyncSession, personal_ids: Sequence[str]) -> None:
    """Serialise everything about people until the transaction ends, whether or not rows exist.

    Locks are taken in one order, so that nobody waits in a circle.
    """
    await session.execute(_LOCK, {"numbers": list(personal_ids)})


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


async def deaths_of(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, date]:
    """Return by number the deaths heard of that count, given all numbers of some people."""
    rows = (await session.execute(_WORDS, {"numbers": list(personal_ids)})).all()
    dead = {row.personal_id: row.died_on for row in rows if row.died_on is not None}
    told = {row.personal_id: None if row.record is None else Told(row.record, row.version) for row in rows}
    past = await outweighed(session, told) if dead else ()
    return {number: died_on for number, died_on in dead.items() if number not in past}


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


async def version_told(session: AsyncSession, record: UUID) -> int:
    """Return the latest version of a record that told of a death or of its end; -1: none."""
    found: int | None = await session.scalar(select(func.max(Death.version)).where(Death.record == record))
    return -1 if found is None else found


async def keep_death(
    session: AsyncSession, personal_id: str, died_on: date | None, *, told: Told
) -> list[dict[str, Any]]:
    """Remember a death of a number, or that there is none any more; return which claims one before cut."""
    # The record may have had another number when its death was told.
    before = await session.scalars(
        select(Death).where((Death.record == told.record) | (Death.personal_id == personal_id))
    )
    cut = []
    for death in before.all():
        cut += death.cut
        death.cut = []
        death.died_on = None
    await session.flush()
    values = {"died_on": died_on, "record": told.record, "version": told.version}
    await session.execute(
        insert(Death)
        .values(personal_id=personal_id, **values)
        .on_conflict_do_update(index_elements=[Death.personal_id], set_=values),
        execution_options={"synchronize_session": False},
    )
    return cut


async def cut_of(session: AsyncSession, personal_id: str) -> list[dict[str, Any]]:
    """Return which claims the death of a number had cut."""
    return await session.scalar(select(Death.cut).where(Death.personal_id == personal_id)) or []


async def note_cut(session: AsyncSession, personal_id: str, cut: Sequence[Mapping[str, Any]]) -> None:
    """Note with a death which claims it cut, beside those noted before."""
    await session.execute(
        update(Death)
        .where(Death.personal_id == personal_id)
        .values(cut=Death.cut.concat(bindparam("more", type_=JSONB)))
        .execution_options(synchronize_session=False),
        {"more": [dict(each) for each in cut]},
    )


async def mark_death(session: AsyncSession, personal_id: str, died_on: date) -> UUID | None:
    """Close the taxpayer; return the taxpayer's id when there is one."""
    done = await session.execute(
        update(Taxpayer)
        .where(Taxpayer.personal_id == await former_numbers.current(session, personal_id))
        .values(state=TaxpayerState.DECEASED_CLOSE.value, died_on=died_on)
        .returning(Taxpayer.id)
    )
    return done.scalar_one_or_none()


async def hand_over_codes(
    session: AsyncSession, *, giver: UUID, taker: UUID, only: Sequence[str] | None = None
) -> Sequence[str]:
    """Let legacy codes of one taxpayer, all or only some, lead to another one; return them."""
    statement = update(LegacyCode).where(LegacyCode.taxpayer_id == giver).values(taxpayer_id=taker)
    if only is not None:
        statement = statement.where(LegacyCode.code.in_(only))
    return (await session.scalars(statement.returning(LegacyCode.code))).all()
