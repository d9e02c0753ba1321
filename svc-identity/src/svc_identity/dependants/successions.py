"""Use cases of numbers that lead to another one: attached children and consents follow, and come back."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.former_numbers import Merger
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts import successions as accounts
from svc_identity.accounts.locking import is_dead
from svc_identity.accounts.service import usable_account_of
from svc_identity.consents import successions as consents
from svc_identity.dependants import events, repository
from svc_identity.dependants.models import Dependant, EndCause, MoveCause
from svc_identity.dependants.service import GUARDIAN_LEVEL, end_by_death, resume_after_death
from svc_identity.rules.calendar import today


async def follow_number(
    session: AsyncSession, actor: Actor, *, old: str, new: str | None, merger: Merger | None
) -> None:
    """Lock a number's account, and let its attachments, as child and as guardian, be those of the new one.

    Children hang on the account of the number that stands; where there is none of level 2, they stay on the
    locked one, from which nobody acts.
    """
    current = await accounts.lead_on(session, actor, old=old, new=new, merger=merger)
    if current is None:
        return
    at_rest = await repository.ended_by_death(session, old, day=today())
    kept: dict[str, Any] = {"at_rest": [str(dependant.id) for dependant in at_rest]}
    kept["renamed"] = [str(i) for i in await repository.rename(session, old, current)]
    kept["doubled"] = await _end_second_ones(session, actor, old)
    account_id = await usable_account_of(session, current, level=GUARDIAN_LEVEL)
    moved = {}
    for dependant in await repository.of_guardian(session, old):
        moved[str(dependant.id)] = str(dependant.account_id)
        await _hang(session, actor, dependant, current, account_id, MoveCause.PERSONS_MERGED)
    followers = await consents.follow_number(session, actor, old=old, new=current)
    await accounts.keep(session, old, {**kept, "moved": moved, "consents": [str(i) for i in followers]})


async def part_numbers(
    session: AsyncSession, actor: Actor, *, remaining: str, separated: str, merger: Merger
) -> None:
    """Give a number that is a person of its own again its account and its attachments back.

    A death that was told of the other number while both were one is that one's.
    """
    late = await former_numbers.told_late(session, number=separated, merger=merger)
    for each in reversed(late):
        await _part(session, actor, remaining=remaining, separated=each.number, merger=None)
    kept = await _part(session, actor, remaining=remaining, separated=separated, merger=merger)
    for each in late:
        await follow_number(session, actor, old=each.number, new=each.into, merger=each.merger)
    if kept is None:
        return
    if await is_dead(session, separated):
        await end_by_death(session, actor, personal_id=separated)
    else:
        at_rest = _ids(kept.get("at_rest", ()))
        await resume_after_death(session, actor, personal_id=separated, but=at_rest)


async def _part(
    session: AsyncSession, actor: Actor, *, remaining: str, separated: str, merger: Merger | None
) -> Mapping[str, Any] | None:
    kept = await accounts.stand_alone(session, actor, number=separated, merger=merger)
    if kept is None:
        return None
    await repository.rename(session, remaining, separated, only=_ids(kept.get("renamed", ())))
    for dependant in await repository.resume(session, _ids(kept.get("doubled", ()))):
        await publish(session, events.attached(dependant))
        await _audit(session, actor, "dependant_attached", dependant, MoveCause.PERSONS_SEPARATED)
    moved = kept.get("moved", {})
    for dependant in await repository.of_guardian(session, remaining, only=_ids(list(moved))):
        account_id = UUID(moved[str(dependant.id)])
        await _hang(session, actor, dependant, separated, account_id, MoveCause.PERSONS_SEPARATED)
    await consents.part_numbers(session, actor, followed=_ids(kept.get("consents", ())))
    return kept


async def _end_second_ones(session: AsyncSession, actor: Actor, child: str) -> list[str]:
    """End what still hangs under a merged child's number: the same account has the child already."""
    doubled = await repository.end(session, EndCause.PERSONS_MERGED, dependant=child)
    for dependant in doubled:
        await publish(session, events.detached(dependant, EndCause.PERSONS_MERGED))
        await _audit(session, actor, "dependant_detached", dependant, EndCause.PERSONS_MERGED)
    return [str(dependant.id) for dependant in doubled]


async def _audit(
    session: AsyncSession, actor: Actor, action: str, dependant: Dependant, cause: EndCause | MoveCause
) -> None:
    await record_audit(
        session,
        actor,
        action=action,
        entity_type="account",
        entity_id=dependant.account_id,
        details={"dependant_id": str(dependant.id), "cause": cause.value},
    )


async def _hang(  # noqa: PLR0917 - the facts of one move
    session: AsyncSession,
    actor: Actor,
    dependant: Dependant,
    guardian: str,
    account_id: UUID | None,
    cause: MoveCause,
) -> None:
    """Let an attachment have its guardian's number of today, and hang on the account if it may.

    Of one that a death ended nobody is told: nothing hangs now.
    """
    dependant.guardian_personal_id = guardian
    elsewhere = account_id is not None and account_id != dependant.account_id
    if account_id is None or not elsewhere:
        await session.flush()
        return
    if await repository.hangs_on(session, account_id, dependant.dependant_personal_id):
        return
    former = events.detached(dependant, cause)
    dependant.account_id = account_id
    await session.flush()
    if dependant.ended_at is None:
        await publish(session, former, events.attached(dependant))
        await _audit(session, actor, "dependant_moved", dependant, cause)


def _ids(kept: Sequence[str]) -> list[UUID]:
    return [UUID(i) for i in kept]
