"""All SQL about entitlements."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from svc_insurance_link.entitlements.models import EndCause, Entitlement
from svc_insurance_link.entitlements.rules import CHILD_UNDER_6


def add(session: AsyncSession, entitlement: Entitlement) -> None:
    """Keep an entitlement; it is written with the others of the transaction."""
    session.add(entitlement)


async def has_kind(session: AsyncSession, participant_id: UUID, kind: str) -> bool:
    found = exists().where(Entitlement.participant_id == participant_id, Entitlement.kind == kind)
    return bool(await session.scalar(select(found)))


async def of_participant(session: AsyncSession, participant_id: UUID) -> Sequence[Entitlement]:
    """Return a participant's entitlements, newest first."""
    found = await session.execute(
        select(Entitlement)
        .where(Entitlement.participant_id == participant_id)
        .order_by(Entitlement.valid_from.desc(), Entitlement.id.desc())
    )
    return found.scalars().all()


async def end_all(
    session: AsyncSession, participant_id: UUID, *, ended_on: date, cause: str
) -> Sequence[Entitlement]:
    """End what still runs on that day; return what was ended by this call."""
    done = await session.execute(
        update(Entitlement)
        .where(
            Entitlement.participant_id == participant_id,
            Entitlement.ended_on.is_(None),
            or_(Entitlement.valid_to.is_(None), Entitlement.valid_to > ended_on),
        )
        .values(ended_on=ended_on, end_cause=cause)
        .returning(Entitlement)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return done.scalars().all()


async def move(
    session: AsyncSession, participant_id: UUID, *, kind: str, valid_from: date, valid_to: date, rule: str
) -> Entitlement | None:
    """Give a running entitlement another interval; return it when that changed anything."""
    done = await session.execute(
        update(Entitlement)
        .where(
            Entitlement.participant_id == participant_id,
            Entitlement.kind == kind,
            Entitlement.ended_on.is_(None),
            or_(Entitlement.valid_from != valid_from, Entitlement.valid_to != valid_to),
        )
        .values(valid_from=valid_from, valid_to=valid_to, rule=rule)
        .returning(Entitlement)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return done.scalar_one_or_none()


async def hand_over(session: AsyncSession, *, giver: UUID, taker: UUID) -> Sequence[UUID]:
    """Give a participant another one's entitlements, but no second one as a child; return which."""
    theirs = aliased(Entitlement)
    twice = exists().where(
        theirs.participant_id == taker, theirs.kind == Entitlement.kind, theirs.kind == CHILD_UNDER_6
    )
    done = await session.scalars(
        update(Entitlement)
        .where(Entitlement.participant_id == giver, ~twice)
        .values(participant_id=taker)
        .returning(Entitlement.id)
        .execution_options(synchronize_session=False)
    )
    return done.all()


async def resume(session: AsyncSession, entitlements: Sequence[UUID]) -> Sequence[Entitlement]:
    """Let run again what a merger ended, and nothing that ended otherwise; return what runs again."""
    done = await session.execute(
        update(Entitlement)
        .where(Entitlement.id.in_(entitlements), Entitlement.end_cause == EndCause.PERSONS_MERGED.value)
        .values(ended_on=None, end_cause=None)
        .returning(Entitlement)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return done.scalars().all()


async def resume_after_death(
    session: AsyncSession, participant_id: UUID, kinds: Sequence[str], *, other_than: date | None = None
) -> Sequence[Entitlement]:
    """Let run again what a death ended (on another day than the given one); return what runs again."""
    chosen = [
        Entitlement.participant_id == participant_id,
        Entitlement.end_cause == EndCause.DEATH.value,
        Entitlement.kind.in_(kinds),
    ]
    if other_than is not None:
        chosen.append(Entitlement.ended_on != other_than)
    done = await session.execute(
        update(Entitlement)
        .where(*chosen)
        .values(ended_on=None, end_cause=None)
        .returning(Entitlement)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return done.scalars().all()


async def give_back(session: AsyncSession, entitlements: Sequence[UUID], *, giver: UUID, taker: UUID) -> None:
    """Give entitlements back as they are by now: what ended meanwhile has ended."""
    await session.execute(
        update(Entitlement)
        .where(Entitlement.id.in_(entitlements), Entitlement.participant_id == giver)
        .values(participant_id=taker)
        .execution_options(synchronize_session=False)
    )
