"""All SQL about consents."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.consents.models import GivenConsent


async def of_account(session: AsyncSession, account_id: UUID) -> Sequence[GivenConsent]:
    """Return all, the newest first."""
    mine = select(GivenConsent).where(GivenConsent.account_id == account_id)
    return (await session.scalars(mine.order_by(GivenConsent.given_at.desc(), GivenConsent.id.desc()))).all()


async def find(session: AsyncSession, account_id: UUID, consent_id: UUID) -> GivenConsent | None:
    """Return one of the holder's own, and hold it until the transaction ends."""
    wanted = (GivenConsent.id == consent_id) & (GivenConsent.account_id == account_id)
    return (await session.scalars(select(GivenConsent).where(wanted).with_for_update())).first()
