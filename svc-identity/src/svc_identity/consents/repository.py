"""All SQL about consents."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from svc_identity.consents.models import GivenConsent


async def of_person(session: AsyncSession, personal_id: str) -> Sequence[GivenConsent]:
    """Return all, the newest first."""
    mine = select(GivenConsent).where(GivenConsent.personal_id == personal_id)
    return (await session.scalars(mine.order_by(GivenConsent.given_at.desc(), GivenConsent.id.desc()))).all()


async def find(session: AsyncSession, personal_id: str, consent_id: UUID) -> GivenConsent | None:
    """Return one of the holder's own, and hold it until the transaction ends."""
    wanted = (GivenConsent.id == consent_id) & (GivenConsent.personal_id == personal_id)
    return (await session.scalars(select(GivenConsent).where(wanted).with_for_update())).first()


async def in_force(session: AsyncSession, personal_id: str, *, on: datetime) -> Sequence[GivenConsent]:
    """Return what the person lets agencies have at a moment, and hold it until the transaction ends."""
    running = GivenConsent.withdrawn_at.is_(None) & (GivenConsent.valid_until > on)
    mine = select(GivenConsent).where((GivenConsent.personal_id == personal_id) & running)
    return (await session.scalars(mine.order_by(GivenConsent.id).with_for_update())).all()


async def one_consent(session: AsyncSession, consent_id: UUID) -> Sequence[GivenConsent]:
    """Return a consent under all numbers under which it stands: what it follows and what follows it."""
    found = (
        select(GivenConsent.id, GivenConsent.follows).where(GivenConsent.id == consent_id).cte(recursive=True)
    )
    other = aliased(GivenConsent)
    linked = select(other.id, other.follows).join(
        found, or_(other.follows == found.c.id, other.id == found.c.follows)
    )
    return await _held(session, found.union(linked).c.id)


async def followers(session: AsyncSession, consents: Sequence[UUID]) -> Sequence[GivenConsent]:
    """Return these consents, and what followed them to further numbers."""
    found = select(GivenConsent.id).where(GivenConsent.id.in_(consents)).cte(recursive=True)
    other = aliased(GivenConsent)
    return await _held(session, found.union(select(other.id).join(found, other.follows == found.c.id)).c.id)


async def _held(session: AsyncSession, ids: ColumnElement[UUID]) -> Sequence[GivenConsent]:
    statement = select(GivenConsent).where(GivenConsent.id.in_(select(ids))).order_by(GivenConsent.id)
    return (await session.scalars(statement.with_for_update())).all()
