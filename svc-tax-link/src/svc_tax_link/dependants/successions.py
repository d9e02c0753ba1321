"""Use cases of numbers that lead to another one: dependants, parents and claims follow, and come back."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.former_numbers import Merger
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession

from svc_tax_link.dependants import events, repository, settlements
from svc_tax_link.dependants.deaths import close_for_death, live_on
from svc_tax_link.dependants.models import Claim
from svc_tax_link.dependants.months import Months, common_months
from svc_tax_link.dependants.service import ENTITY
from svc_tax_link.taxpayers import service as taxpayers
from svc_tax_link.taxpayers import successions

_PARENTS = ("mother_personal_id", "father_personal_id")


async def follow_number(
    session: AsyncSession, actor: Actor, *, old: str, new: str, merger: Merger | None
) -> None:
    """Let everything about a number that was cancelled or merged follow to the one that stands."""
    await taxpayers.hold(session, old, new)
    led = await successions.follow(session, actor, old=old, new=new, merger=merger)
    if led is None:
        return
    kept: dict[str, Any] = {}
    for column in _PARENTS:
        kept[column] = [str(i) for i in await repository.rename_parents(session, column, old, led.new)]
    if led.joined is not None:
        giver, taker = led.joined
        claims = await repository.hand_over_to_payer(session, giver=giver, taker=taker)
        kept["paid"] = [str(i) for i in claims]
    kept |= await _join(session, actor, old, led.new)
    await successions.keep(session, led, kept)


async def _join(session: AsyncSession, actor: Actor, old: str, new: str) -> dict[str, Any]:
    """Make one dependant of both; months that both are counted for stay where they are, for an office."""
    mine = await repository.by_personal_id(session, old)
    theirs = await repository.by_personal_id(session, new)
    if mine is None:
        return {}
    if theirs is None:
        await repository.rename(session, old, new)
        await _audit(session, actor, "dependant_renumbered", mine.id, twice=0)
        return {"dependant": str(mine.id)}
    held = await repository.active_claims(session, theirs.number)
    claims = await repository.active_claims(session, mine.number)
    twice = {c.id: _common(c, held) for c in claims}
    free = [claim for claim, months in twice.items() if not months]
    await repository.move_claims(session, free, giver=mine.number, taker=theirs.number)
    if free:
        await repository.set_claimed(session, theirs.number)
    await _audit(session, actor, "dependants_merged", theirs.id, twice=len(claims) - len(free))
    doubled = [months for each in twice.values() for months in each]
    await publish(session, *(events.counted_twice(theirs.id, new, months) for months in doubled))
    return {
        "counted": {"giver": mine.number, "taker": theirs.number, "claims": [str(c) for c in free]},
        "twice": {"dependant": str(theirs.id), "months": [_noted(months) for months in doubled]},
    }


def _common(claim: Claim, held: Sequence[Claim]) -> list[Months]:
    common = (common_months(claim.months, other.months) for other in held)
    return [months for months in common if months is not None]


def _noted(months: Months) -> list[str | None]:
    first, last = months
    return [first.isoformat(), None if last is None else last.isoformat()]


def _read(noted: Sequence[str | None]) -> Months:
    first, last = noted
    return date.fromisoformat(str(first)), None if last is None else date.fromisoformat(last)


async def part_numbers(
    session: AsyncSession, actor: Actor, *, remaining: str, separated: str, merger: Merger
) -> None:
    """Give a number that is a person of its own again what followed the merger, as it is by now.

    A death that was told of the number itself closes what came back.
    """
    await taxpayers.hold(session, remaining, separated)
    one = (await taxpayers.today(session, [separated]))[separated]
    settled = await settlements.settled_among(session, await taxpayers.leading_to(session, [one]))
    late = await former_numbers.told_late(session, number=separated, merger=merger)
    for each in reversed(late):
        await _part(session, actor, number=each.number, merger=None)
    parted = await _part(session, actor, number=separated, merger=merger)
    for each in late:
        await follow_number(session, actor, old=each.number, new=each.into, merger=each.merger)
    if not parted:
        return
    await settlements.review(session, settled)
    died_on = (await taxpayers.deaths_of(session, [separated])).get(separated)
    if died_on is not None:
        await close_for_death(session, actor, personal_id=separated, died_on=died_on, told=None)
    else:
        # A death that was told of the other number while both were one is that one's.
        await live_on(session, actor, personal_id=separated, told=None, beside=remaining)


async def _part(session: AsyncSession, actor: Actor, *, number: str, merger: Merger | None) -> bool:
    led = await successions.part(session, actor, number=number, merger=merger)
    if led is None:
        return False
    kept = led.kept
    for column in _PARENTS:
        only = _ids(kept.get(column, ()))
        await repository.rename_parents(session, column, led.new, number, only=only)
    if led.joined is not None:
        giver, taker = led.joined
        await repository.hand_over_to_payer(
            session, giver=taker, taker=giver, only=_ids(kept.get("paid", ()))
        )
    counted = kept.get("counted")
    if counted is not None:
        claims = _ids(counted["claims"])
        await repository.move_claims(session, claims, giver=counted["taker"], taker=counted["giver"])
    twice = kept.get("twice")
    if twice is not None:
        theirs, doubled = UUID(twice["dependant"]), [_read(noted) for noted in twice["months"]]
        told = [events.counted_twice(theirs, led.new, months, undone=True) for months in doubled]
        await publish(session, *told)
    if "dependant" in kept:
        await repository.rename(session, led.new, number)
        await _audit(session, actor, "dependants_separated", UUID(kept["dependant"]), twice=0)
    return True


def _ids(kept: Sequence[str]) -> list[UUID]:
    return [UUID(i) for i in kept]


async def _audit(session: AsyncSession, actor: Actor, action: str, dependant: UUID, *, twice: int) -> None:
    details: dict[str, object] = {"counted_twice": twice}
    await record_audit(
        session, actor, action=action, entity_type=ENTITY, entity_id=dependant, details=details
    )
