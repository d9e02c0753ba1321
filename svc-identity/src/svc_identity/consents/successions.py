"""Use cases of numbers that lead to another one: what the person consents to is in force under both."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.audit import Actor
from ndx_chassis.ids import new_id
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.consents import repository
from svc_identity.consents.models import GivenConsent
from svc_identity.consents.service import tell


async def follow_number(session: AsyncSession, actor: Actor, *, old: str, new: str) -> list[UUID]:
    """Let what is in force under the old number be so under the new one, on the same terms; return which.

    Those of the old number stay: an agency may still ask by it, and they are what is left after an undone
    merger.
    """
    followers = []
    for consent in await repository.in_force(session, old, on=datetime.now(UTC)):
        follower = GivenConsent(
            id=new_id(),
            account_id=consent.account_id,
            personal_id=new,
            agency=consent.agency,
            purpose=consent.purpose,
            field_groups=consent.field_groups,
            given_at=consent.given_at,
            valid_until=consent.valid_until,
            follows=consent.id,
        )
        session.add(follower)
        await session.flush()
        await tell(session, actor, follower, "consent_followed")
        followers.append(follower.id)
    return followers


async def part_numbers(session: AsyncSession, actor: Actor, *, followed: Sequence[UUID]) -> None:
    """End under the remaining number, and wherever it led since, what had followed the separated one."""
    for consent in await repository.followers(session, followed):
        if consent.withdrawn_at is None:
            consent.withdrawn_at = datetime.now(UTC)
            await session.flush()
            await tell(session, actor, consent, "consent_parted")
