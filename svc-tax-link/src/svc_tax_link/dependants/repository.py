"""All SQL about dependants and claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Text, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_tax_link.dependants.models import Claim, ClaimState, Dependant, DependantState
from svc_tax_link.dependants.months import Months

# Built once: building a statement costs more than running it.
_BY_PERSONAL_ID = select(Dependant).where(Dependant.personal_id == bindparam("number"))
_KNOWN = select(Dependant.personal_id).where(
    Dependant.personal_id == func.any(bindparam("numbers", type_=ARRAY(Text)))
)


async def by_personal_id(session: AsyncSession, personal_id: str) -> Dependant | None:
    found = await session.execute(_BY_PERSONAL_ID, {"number": personal_id})
    return found.scalar_one_or_none()


async def known(session: AsyncSession, personal_ids: Sequence[str]) -> set[str]:
    """Return those of these people who are dependants."""
    return set(await session.scalars(_KNOWN, {"numbers": list(personal_ids)}))


async def add(session: AsyncSession, dependants: Sequence[Dependant]) -> None:
    """Keep dependants; the database numbers them."""
    session.add_all(dependants)
    await session.flush()


async def add_claim(session: AsyncSession, claim: Claim) -> bool:
    """Count these months; False when another claim counts one of them already."""
    done = await session.execute(
        insert(Claim)
        .values(
            id=claim.id,
            dependant_number=claim.dependant_number,
            taxpayer_id=claim.taxpayer_id,
            relation=claim.relation,
            from_month=claim.from_month,
            to_month=claim.to_month,
            state=ClaimState.ACTIVE.value,
            rule=claim.rule,
        )
        .on_conflict_do_nothing()
        .returning(Claim.id)
    )
    return done.first() is not None


async def active_claim(
    session: AsyncSession, dependant_number: int, taxpayer_id: UUID, from_month: date
) -> Claim | None:
    """Return the taxpayer's own claim that starts with that month."""
    found = await session.execute(
        select(Claim).where(
            Claim.dependant_number == dependant_number,
            Claim.taxpayer_id == taxpayer_id,
            Claim.from_month == from_month,
            Claim.state == ClaimState.ACTIVE.value,
        )
    )
    return found.scalar_one_or_none()


async def of_taxpayer(session: AsyncSession, taxpayer_id: UUID) -> Sequence[tuple[Dependant, Claim]]:
    """Return a taxpayer's dependants with the claims that count months, latest first."""
    found = await session.execute(
        select(Dependant, Claim)
        .join(Claim, Claim.dependant_number == Dependant.number)
        .where(Claim.taxpayer_id == taxpayer_id, Claim.state == ClaimState.ACTIVE.value)
        .order_by(Claim.from_month.desc(), Claim.id.desc())
    )
    return [(row[0], row[1]) for row in found]


async def close_dependant(session: AsyncSession, personal_id: str, died_on: date) -> Dependant | None:
    """Close a dependant who died; None when there is none or it was closed before."""
    done = await session.execute(
        update(Dependant)
        .where(Dependant.personal_id == personal_id, Dependant.state != DependantState.CLOSED.value)
        .values(state=DependantState.CLOSED.value, died_on=died_on)
        .returning(Dependant)
        .execution_options(synchronize_session=False)
    )
    return done.scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Cut:
    """A claim that was stopped, with its months before and what became of it."""

    claim_id: UUID
    dependant_number: int
    before: Months
    state: ClaimState
    after: Months


async def stop_claims(
    session: AsyncSession,
    *,
    last_month: date,
    taxpayer_id: UUID | None = None,
    dependant_number: int | None = None,
) -> list[Cut]:
    """Let claims count no month after the last one; return what was cut."""
    whose = (
        Claim.taxpayer_id == taxpayer_id
        if taxpayer_id is not None
        else Claim.dependant_number == dependant_number
    )
    running = or_(Claim.to_month.is_(None), Claim.to_month > last_month)
    found = select(Claim.id, Claim.dependant_number, Claim.from_month, Claim.to_month).where(
        whose, Claim.state == ClaimState.ACTIVE.value, running
    )
    cut = []
    for row in (await session.execute(found.order_by(Claim.id).with_for_update())).all():
        before = (row.from_month, row.to_month)
        void = row.from_month > last_month
        state, after = (
            (ClaimState.VOID, before) if void else (ClaimState.ACTIVE, (row.from_month, last_month))
        )
        await write_months(session, row.id, state=state, months=after)
        cut.append(Cut(row.id, row.dependant_number, before, state, after))
    return cut


async def lock_counted_with(session: AsyncSession, taxpayer_id: UUID) -> None:
    """Hold a taxpayer's dependants; always before their claims, so that two deaths can't block each other."""
    counted = select(Claim.dependant_number).where(
        Claim.taxpayer_id == taxpayer_id, Claim.state == ClaimState.ACTIVE.value
    )
    await session.execute(
        select(Dependant.number)
        .where(Dependant.number.in_(counted))
        .order_by(Dependant.number)
        .with_for_update()
    )


async def set_unclaimed(session: AsyncSession, numbers: Sequence[int]) -> Sequence[Dependant]:
    """Give dependants back whose payer counts them no more."""
    done = await session.execute(
        update(Dependant)
        .where(Dependant.number.in_(numbers), Dependant.state == DependantState.CLAIMED.value)
        .values(state=DependantState.UNCLAIMED.value)
        .returning(Dependant)
        .execution_options(synchronize_session=False)
    )
    return done.scalars().all()


async def set_claimed(session: AsyncSession, number: int) -> None:
    await session.execute(
        update(Dependant)
        .where(Dependant.number == number, Dependant.state == DependantState.UNCLAIMED.value)
        .values(state=DependantState.CLAIMED.value)
    )


async def reopen_dependant(session: AsyncSession, personal_id: str) -> Dependant | None:
    """Open a dependant again who was closed by a death; None when there is none."""
    done = await session.execute(
        update(Dependant)
        .where(Dependant.personal_id == personal_id, Dependant.state == DependantState.CLOSED.value)
        .values(state=DependantState.UNCLAIMED.value, died_on=None)
        .returning(Dependant)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return done.scalar_one_or_none()


async def hold_dependants(session: AsyncSession, numbers: Sequence[int]) -> Sequence[Dependant]:
    """Lock dependants, always before their claims, and return them."""
    statement = select(Dependant).where(Dependant.number.in_(numbers)).order_by(Dependant.number)
    held = await session.scalars(statement.with_for_update().execution_options(populate_existing=True))
    return held.all()


async def rename(session: AsyncSession, old: str, new: str) -> UUID | None:
    """Give a dependant another number; None when there is none of the old one."""
    done = await session.scalars(
        update(Dependant)
        .where(Dependant.personal_id == old)
        .values(personal_id=new)
        .returning(Dependant.id)
        .execution_options(synchronize_session=False)
    )
    return done.one_or_none()


async def rename_parents(
    session: AsyncSession, column: str, old: str, new: str, *, only: Sequence[UUID] | None = None
) -> Sequence[UUID]:
    """Let children name a parent by another number; return which."""
    parent = Dependant.__table__.c[column]
    statement = update(Dependant).where(parent == old).values({column: new})
    if only is not None:
        statement = statement.where(Dependant.id.in_(only))
    done = await session.scalars(
        statement.returning(Dependant.id).execution_options(synchronize_session=False)
    )
    return done.all()


async def hand_over_to_payer(
    session: AsyncSession, *, giver: UUID, taker: UUID, only: Sequence[UUID] | None = None
) -> Sequence[UUID]:
    """Let claims of one taxpayer, all or only some, be another one's; return which."""
    statement = update(Claim).where(Claim.taxpayer_id == giver).values(taxpayer_id=taker)
    if only is not None:
        statement = statement.where(Claim.id.in_(only))
    done = await session.scalars(statement.returning(Claim.id).execution_options(synchronize_session=False))
    return done.all()


async def active_claims(session: AsyncSession, dependant_number: int) -> Sequence[Claim]:
    statement = select(Claim).where(
        Claim.dependant_number == dependant_number, Claim.state == ClaimState.ACTIVE.value
    )
    return (await session.scalars(statement.order_by(Claim.from_month))).all()


async def move_claims(session: AsyncSession, claims: Sequence[UUID], *, giver: int, taker: int) -> None:
    """Let claims count another dependant."""
    await session.execute(
        update(Claim)
        .where(Claim.id.in_(claims), Claim.dependant_number == giver)
        .values(dependant_number=taker)
        .execution_options(synchronize_session=False)
    )


async def claims_by_number(session: AsyncSession, personal_ids: Sequence[str]) -> Sequence[tuple[str, Claim]]:
    """Return the claims that count months of these people, each with the number."""
    found = await session.execute(
        select(Dependant.personal_id, Claim)
        .join(Claim, Claim.dependant_number == Dependant.number)
        .where(Dependant.personal_id.in_(personal_ids), Claim.state == ClaimState.ACTIVE.value)
        .order_by(Claim.from_month, Claim.id)
    )
    return [(row[0], row[1]) for row in found]


async def claim(session: AsyncSession, claim_id: UUID) -> Claim | None:
    return await session.get(Claim, claim_id)


async def write_months(
    session: AsyncSession, claim_id: UUID, *, state: ClaimState, months: tuple[date, date | None]
) -> None:
    """Let a claim count these months, or none."""
    await session.execute(
        update(Claim)
        .where(Claim.id == claim_id)
        .values(state=state.value, from_month=months[0], to_month=months[1])
        .execution_options(synchronize_session=False)
    )
