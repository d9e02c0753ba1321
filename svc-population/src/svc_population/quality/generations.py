"""The live generation of counts, and reads that are of one although the next may come meanwhile."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.quality import recounting, repository
from svc_population.quality.conditions import Generation
from svc_population.quality.errors import QualityNotCounted, QualityRuleUnknown
from svc_population.quality.models import QualityGeneration
from svc_population.quality.rules import Rule

_TRIES = 3
"""Generations follow each other once a day, not within a request."""
_Read = TypeVar("_Read")
Live = tuple[QualityGeneration, Generation, bool]
"""The generation as it is kept, its conditions as SQL, and whether the next one is being counted."""


async def live(session: AsyncSession) -> Live:
    """Return the generation that answers.

    Raises:
        QualityNotCounted: nobody was counted yet.
    """
    found, recounted = await repository.live(session)
    if found is None:
        raise QualityNotCounted
    return found, recounting.compiled(found), recounted


async def of_one_generation(
    session: AsyncSession, read: Callable[[Generation], Awaitable[_Read]]
) -> tuple[Live, _Read]:
    """Return a generation with what was read for it, while it was there.

    Its counts and communes go in the transaction that puts the next one in its place: if it is the live one
    still, they were whole.
    """
    found = await live(session)
    for _ in range(_TRIES):
        rows = await read(found[1])
        now = await live(session)
        if now[1].number == found[1].number:
            return found, rows
        found = now
    raise QualityNotCounted


def rule_of(generation: Generation, code: str) -> Rule:
    """Return a rule of a generation.

    Raises:
        QualityRuleUnknown: it does not count this rule.
    """
    rule = next((r for r in generation.rules if r.code == code), None)
    if rule is None:
        raise QualityRuleUnknown
    return rule
