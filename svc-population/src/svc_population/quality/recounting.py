"""Brings the rules of today into force and counts everybody by them, in the background.

Command `python -m svc_population.quality.recount` asks for the same at once. A transaction that makes a
generation holds back who writes persons for a moment, so that no change is missed; the count itself
holds back nobody, and goes slice by slice, each a transaction of its own. A process that is stopped, or dies,
leaves a generation that the next run goes on with behind the last slice.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta

from ndx_chassis.telemetry import log
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_population.admin_units.service import today
from svc_population.quality import repository
from svc_population.quality.conditions import Generation, signature_text
from svc_population.quality.models import QualityGeneration
from svc_population.quality.repository import COUNTING, LIVE
from svc_population.quality.rules import Rule, read_rules, rules_on

FORESEEN = timedelta(days=3 * 365)
"""How far ahead a generation knows what time alone will break."""
RENEWED = timedelta(days=365)
"""So long before its horizon the next generation is counted."""
SLICE = 200_000
"""Records of one transaction: some seconds, in which vacuum waits."""
Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True, slots=True)
class Progress:
    """A generation of which a slice was counted; done: it is in force."""

    generation: int
    done: bool


def compiled(generation: QualityGeneration) -> Generation:
    """Return a kept generation in the form that becomes SQL."""
    return Generation(
        generation.id,
        read_rules(generation.rules),
        generation.horizon,
        sliced=generation.state == COUNTING,
    )


async def _signature(session: AsyncSession, rules: tuple[Rule, ...], day: date) -> str:
    units = await repository.units_digest(session, day)
    return hashlib.sha256(f"{signature_text(rules)}\n{units}".encode()).hexdigest()


async def begin(sessions: Sessions, *, anew: bool = False) -> int | None:
    """Make a generation when the rules, the communes or the horizon ask for one; return its number.

    `anew`: in any case, but one that is being counted goes on. New words alone need no count: the
    generation there is takes them.
    """
    day = today()
    rules = rules_on(day)
    async with sessions() as session, session.begin():
        await repository.one_at_a_time(session)
        found = await repository.generations(session)
        signature = await _signature(session, rules, day)
        newest = found[-1] if found else None
        under_way = newest is not None and newest.state == COUNTING
        if (
            newest is not None
            and newest.signature == signature
            and day + RENEWED < newest.horizon
            and (under_way or not anew)
            # Triggers of the former code note no slices for what it began.
            and (newest.counted_until is not None or not under_way)
        ):
            newest.rules = [r.document() for r in rules]
            return None
        await repository.stop_writers(session)
        for unfinished in [g for g in found if g.state == COUNTING]:
            await repository.drop(session, unfinished.id)
        generation = QualityGeneration(
            state=COUNTING,
            signature=signature,
            rules=[r.document() for r in rules],
            units_on=day,
            horizon=day + FORESEEN,
            counted_until="",
        )
        await repository.add(session, generation)
        kept = [compiled(g) for g in found if g.state == LIVE]
        await repository.install(session, [*kept, compiled(generation)])
        log.info("quality_generation_begun", generation=generation.id, rules=len(rules))
        return generation.id


async def advance(sessions: Sessions) -> Progress | None:
    """Count the next slice for the generation that waits; with the last one it replaces the former one.

    None when no generation waits to be counted.
    """
    async with sessions() as session, session.begin():
        await repository.one_at_a_time(session)
        found = await repository.generations(session)
        waiting = next((g for g in found if g.state == COUNTING), None)
        if waiting is None or waiting.counted_until is None:
            return None
        end = await repository.end_of_slice(session, waiting.counted_until, records=SLICE)
        await repository.count_slice(session, compiled(waiting), waiting.counted_until, end)
        waiting.counted_until = end
        if end is None:
            for former in [g for g in found if g.state == LIVE]:
                await repository.drop(session, former.id)
            waiting.state = LIVE
            waiting.counted_at = await repository.moment(session)
            await repository.install(session, [compiled(waiting)])
            log.info("quality_generation_counted", generation=waiting.id)
        return Progress(waiting.id, done=end is None)


async def finish(sessions: Sessions, *, slices: int | None = None) -> int | None:
    """Count everybody for the generation that waits, or at most so many slices; return the number if done."""
    counted = 0
    while slices is None or counted < slices:
        progress = await advance(sessions)
        if progress is None:
            return None
        if progress.done:
            return progress.generation
        counted += 1
    return None


async def bring_up_to_date(
    sessions: Sessions, *, anew: bool = False, slices: int | None = None
) -> int | None:
    """Let today's rules be the counted ones; return the number of a generation that was counted now."""
    await begin(sessions, anew=anew)
    counted = await finish(sessions, slices=slices)
    async with sessions() as session, session.begin():
        await repository.sweep(session)
    return counted


async def differences(session: AsyncSession) -> list[tuple[object, ...]]:
    """Compare the live counts with a recount of the persons' rows; return where they differ.

    In a transaction of one snapshot (REPEATABLE READ), since people change meanwhile.
    """
    generation, _ = await repository.live(session)
    if generation is None:
        return []
    kept = await repository.kept(session, generation.id)
    real = await repository.recounted(session, compiled(generation))
    return sorted((k for k in kept.keys() | real.keys() if kept.get(k) != real.get(k)), key=str)
