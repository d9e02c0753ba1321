"""Use cases of numbers that lead to another one: taxpayer and legacy codes follow, and come back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.former_numbers import Merger
from sqlalchemy.ext.asyncio import AsyncSession

from svc_tax_link.taxpayers import repository
from svc_tax_link.taxpayers.service import ENTITY, settle


@dataclass(frozen=True, slots=True)
class Led:
    """A number that leads to another one (or did), and what of the taxpayer followed it."""

    old: str
    new: str
    kept: Mapping[str, Any]

    @property
    def joined(self) -> tuple[UUID, UUID] | None:
        """Who gave and who took, where both numbers were a taxpayer's."""
        if "joined" not in self.kept:
            return None
        return UUID(self.kept["joined"]), UUID(self.kept["into"])


async def follow(
    session: AsyncSession, actor: Actor, *, old: str, new: str, merger: Merger | None
) -> Led | None:
    """Let an old number lead to a new one; None when it does already. Needs `hold` on both.

    A taxpayer who is there under both numbers is one from now on, with the codes of both: DUP_TAX_CODE.
    """
    target = await former_numbers.to_follow(session, old=old, new=new, merger=merger)
    if target is None:
        return None
    mine = await repository.by_personal_id(session, old)
    theirs = await repository.by_personal_id(session, target)
    kept: dict[str, Any] = {}
    if mine is not None and theirs is None:
        mine.personal_id = target
        kept["renamed"] = str(mine.id)
    elif mine is not None and theirs is not None:
        codes = await repository.hand_over_codes(session, giver=mine.id, taker=theirs.id)
        kept |= {"joined": str(mine.id), "into": str(theirs.id), "codes": list(codes)}
        await settle(session, theirs)
    await session.flush()
    await former_numbers.lead_on(session, old=old, new=target, merger=merger, kept=kept)
    if mine is not None:
        await record_audit(
            session,
            actor,
            action="taxpayer_renumbered" if merger is None else "taxpayers_merged",
            entity_type=ENTITY,
            entity_id=mine.id if theirs is None else theirs.id,
            details={"joined": kept.get("joined")},
        )
    return Led(old, target, kept)


async def keep(session: AsyncSession, led: Led, more: dict[str, Any]) -> None:
    """Note what else followed the number, to be given back if the merger is undone."""
    await former_numbers.keep(session, led.old, more)


async def part(session: AsyncSession, actor: Actor, *, number: str, merger: Merger | None) -> Led | None:
    """Give a number that was merged its taxpayer and codes back; None when it was not. Needs `hold`."""
    former = await former_numbers.part(session, number=number, merger=merger)
    if former is None:
        return None
    led = Led(number, former.superseded_by, former.kept)
    taxpayer_id: UUID | None = None
    if "renamed" in led.kept:
        mine = await repository.by_personal_id(session, led.new)
        if mine is not None and str(mine.id) == led.kept["renamed"]:
            mine.personal_id, taxpayer_id = number, mine.id
            await session.flush()
    elif led.joined is not None:
        taxpayer_id, taker = led.joined
        await repository.hand_over_codes(session, giver=taker, taker=taxpayer_id, only=led.kept["codes"])
        for each in led.joined:
            await settle(session, await repository.by_id(session, each))
    if taxpayer_id is not None:
        await record_audit(
            session, actor, action="taxpayers_separated", entity_type=ENTITY, entity_id=taxpayer_id
        )
    return led
