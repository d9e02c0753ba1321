"""Use cases of numbers that lead to another one: a death registered under one of them is that of them all.

A registration names the number that was declared, for ever. Here is kept which numbers are one person, so
that nobody's death is registered again under another number; when a merger is undone, it is again the death
of the number that it names, and of no other.
"""

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.former_numbers import Merger
from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.deaths import repository
from svc_civil_registry.deaths.errors import PersonIsChanging


async def hold_person(session: AsyncSession, personal_id: str) -> set[str]:
    """Return all numbers of a person, and keep others from their deaths until the transaction ends.

    Raises:
        PersonIsChanging: at this moment the number begins to lead to another one, or ceases to.
    """
    # Held at once, for whoever takes one more while holding another may wait in a circle; then looked at
    # again: the number may have led on meanwhile, and what leads on has held both.
    one = await former_numbers.current(session, personal_id)
    await repository.hold(session, [personal_id, one])
    if await former_numbers.current(session, personal_id) != one:
        raise PersonIsChanging
    return {personal_id, one, *await former_numbers.leading_to(session, [one])}


async def follow_number(
    session: AsyncSession, actor: Actor, *, old: str, new: str, merger: Merger | None
) -> None:
    """Let a number that was cancelled or merged lead to the one that stands.

    Deaths that were registered under both before anybody knew are two records of one death: both stay, which
    one is wrong is for an office to say, and the audit log names them.
    """
    await repository.hold(session, sorted({old, new, await former_numbers.current(session, new)}))
    target = await former_numbers.to_follow(session, old=old, new=new, merger=merger)
    if target is None:
        return
    mine = {old, *await former_numbers.leading_to(session, [old])}
    theirs = {target, *await former_numbers.leading_to(session, [target])} - mine
    first = await repository.deaths_of(session, sorted(mine))
    second = await repository.deaths_of(session, sorted(theirs))
    await former_numbers.lead_on(session, old=old, new=target, merger=merger, kept={})
    if first and second:
        log.warning("death_registered_twice", death_id=str(second[0]))
        await record_audit(
            session,
            actor,
            action="death_registered_twice",
            entity_type="death",
            entity_id=second[0],
            details={"others": [str(death) for death in (*first, *second[1:])]},
        )


async def part_numbers(
    session: AsyncSession, *, remaining: str, separated: str, merger: Merger, actor: Actor
) -> None:
    """Let a number whose merger is undone be a person of its own again."""
    await repository.hold(session, sorted({remaining, separated}))
    late = await former_numbers.told_late(session, number=separated, merger=merger)
    for each in reversed(late):
        await former_numbers.part(session, number=each.number, merger=None)
    await former_numbers.part(session, number=separated, merger=merger)
    for each in late:
        await follow_number(session, actor, old=each.number, new=each.into, merger=each.merger)
