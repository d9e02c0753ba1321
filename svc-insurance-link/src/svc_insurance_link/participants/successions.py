"""Use cases of numbers that lead to another one: the participant follows, and comes back with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.former_numbers import Merger
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.participants import repository
from svc_insurance_link.participants.service import ENTITY


@dataclass(frozen=True, slots=True)
class Followed:
    """Who stands for both numbers now, and whose entitlements are theirs from now on."""

    personal_id: str
    participant_id: UUID
    giver: UUID | None


@dataclass(frozen=True, slots=True)
class Parted:
    """Two participants of whom one got back what had followed the merger."""

    personal_id: str
    participant_id: UUID
    giver: UUID | None
    entitlements: tuple[UUID, ...]
    ended: tuple[UUID, ...]
    died_on: date | None
    """The death that was told of the number itself."""


async def follow(
    session: AsyncSession, actor: Actor, *, old: str, new: str, merger: Merger | None
) -> Followed | None:
    """Let an old number lead to a new one; None when nobody here had the old one. Needs `hold` on both.

    A participant who is there under both numbers is one from now on: the keys are those of the new number.
    """
    target = await former_numbers.to_follow(session, old=old, new=new, merger=merger)
    if target is None:
        return None
    mine = await repository.by_personal_id(session, old)
    theirs = await repository.by_personal_id(session, target)
    kept: dict[str, object] = {}
    followed: Followed | None = None
    if mine is not None and theirs is None:
        mine.personal_id = target
        await session.flush()
        kept["renamed"] = str(mine.id)
        followed = Followed(target, mine.id, None)
    elif mine is not None and theirs is not None:
        codes = await repository.hand_over_codes(session, giver=mine.id, taker=theirs.id)
        kept |= {"joined": str(mine.id), "into": str(theirs.id), "codes": list(codes)}
        followed = Followed(target, theirs.id, mine.id)
    await former_numbers.lead_on(session, old=old, new=target, merger=merger, kept=kept)
    if followed is not None:
        await record_audit(
            session,
            actor,
            action="participant_renumbered" if merger is None else "participants_merged",
            entity_type=ENTITY,
            entity_id=followed.participant_id,
            details={"joined": kept.get("joined")},
        )
    return followed


async def keep_entitlements(
    session: AsyncSession, old: str, *, moved: Sequence[UUID], ended: Sequence[UUID]
) -> None:
    """Note which entitlements followed the number and which ended, for when the merger is undone."""
    noted = {"entitlements": [str(e) for e in moved], "ended": [str(e) for e in ended]}
    await former_numbers.keep(session, old, noted)


async def part(session: AsyncSession, actor: Actor, *, number: str, merger: Merger | None) -> Parted | None:
    """Give a number that was merged its own back; None when nothing of it was here. Needs `hold`."""
    former = await former_numbers.part(session, number=number, merger=merger)
    if former is None:
        return None
    kept = former.kept
    if "renamed" in kept:
        participant_id, giver = UUID(kept["renamed"]), None
        mine = await repository.by_personal_id(session, former.superseded_by)
        if mine is None or mine.id != participant_id:
            return None
        mine.personal_id = number
        await session.flush()
    elif "joined" in kept:
        participant_id, giver = UUID(kept["joined"]), UUID(kept["into"])
        await repository.give_back_codes(session, kept["codes"], giver=giver, taker=participant_id)
    else:
        return None
    await record_audit(
        session, actor, action="participants_separated", entity_type=ENTITY, entity_id=participant_id
    )
    moved, ended = (tuple(UUID(e) for e in kept.get(name, ())) for name in ("entitlements", "ended"))
    died_on = (await repository.deaths_of(session, [number])).get(number)
    return Parted(number, participant_id, giver, moved, ended, died_on)
