"""Use cases of numbers that lead to another one: entitlements follow, a second one as a child ends."""

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.former_numbers import Merger
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.entitlements import events, repository
from svc_insurance_link.entitlements.models import EndCause, Entitlement
from svc_insurance_link.entitlements.service import (
    ENTITY,
    IDENTITY_GROUPS,
    end_for_death,
    follow_change,
    live_on,
    today,
)
from svc_insurance_link.participants import service as participants
from svc_insurance_link.participants import successions
from svc_insurance_link.participants.successions import Parted


async def follow_number(
    session: AsyncSession,
    actor: Actor,
    *,
    gateway: GatewayClient,
    old: str,
    new: str,
    merger: Merger | None,
) -> None:
    """Let cards and entitlements follow a number that was cancelled or merged to the one that stands.

    Where both have an entitlement as a child under 6, that of the number that stands goes on.
    """
    await participants.hold(session, old, new)
    followed = await successions.follow(session, actor, old=old, new=new, merger=merger)
    if followed is None:
        return
    if followed.giver is not None:
        moved = await repository.hand_over(session, giver=followed.giver, taker=followed.participant_id)
        cause = EndCause.PERSONS_MERGED.value
        # What was not handed over is the second one as a child.
        ended = await repository.end_all(session, followed.giver, ended_on=today(), cause=cause)
        for entitlement in ended:
            await _audit(session, actor, "entitlement_ended", entitlement, cause)
        await publish(session, *(events.ended(e, followed.personal_id) for e in ended))
        await successions.keep_entitlements(session, old, moved=moved, ended=[e.id for e in ended])
    await follow_change(
        session, actor, gateway=gateway, personal_id=followed.personal_id, changed=tuple(IDENTITY_GROUPS)
    )


async def part_numbers(
    session: AsyncSession,
    actor: Actor,
    *,
    gateway: GatewayClient,
    remaining: str,
    separated: str,
    merger: Merger,
) -> None:
    """Give a number that is a person of its own again what followed the merger, as it is by now.

    What the merger ended runs again, unless the death of the number's holder was told meanwhile.
    """
    await participants.hold(session, remaining, separated)
    late = await former_numbers.told_late(session, number=separated, merger=merger)
    for each in reversed(late):
        await _part(session, actor, number=each.number, merger=None)
    parted = await _part(session, actor, number=separated, merger=merger)
    for each in late:
        await follow_number(
            session, actor, gateway=gateway, old=each.number, new=each.into, merger=each.merger
        )
    if parted is None and not late:
        return
    for number in (remaining, separated):
        await follow_change(
            session, actor, gateway=gateway, personal_id=number, changed=tuple(IDENTITY_GROUPS)
        )


async def _part(session: AsyncSession, actor: Actor, *, number: str, merger: Merger | None) -> Parted | None:
    parted = await successions.part(session, actor, number=number, merger=merger)
    if parted is None:
        return None
    if parted.giver is not None:
        await repository.give_back(
            session, parted.entitlements, giver=parted.giver, taker=parted.participant_id
        )
        resumed = await repository.resume(session, parted.ended)
        for entitlement in resumed:
            await _audit(session, actor, "entitlement_resumed", entitlement, EndCause.PERSONS_MERGED.value)
        await publish(session, *(events.opened(e, number) for e in resumed))
    if parted.died_on is not None:
        await end_for_death(session, actor, personal_id=number, died_on=parted.died_on, told=None)
    else:
        # A death that was told of the other number while both were one is that one's.
        await live_on(session, actor, personal_id=number, told=None)
    return parted


async def _audit(
    session: AsyncSession, actor: Actor, action: str, entitlement: Entitlement, cause: str
) -> None:
    await record_audit(
        session,
        actor,
        action=action,
        entity_type=ENTITY,
        entity_id=entitlement.id,
        details={"cause": cause},
    )
