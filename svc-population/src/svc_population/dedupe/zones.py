"""Sorts compared pairs into zones, by rules that are data of the model: pure, the same for every engine.

A pair is SURE only when the model finds it likely, its name and birth date stand on allowed levels, nothing
on the list of contradictions speaks against it, and enough else agrees. Points of one group count once: who
lives where they were born has one place, not two. Name and birth date give no points, so they alone are never
enough. REVIEW asks for less, but for a name on an allowed level, or for a level that makes up for it: twins
differ in the given name and agree in all else, which the model takes for evidence. For the same reason a name
that has a middle name more needs more than parents and places to be SURE: Bảo Hân and Thị Bảo Hân are twins;
and a name with a typing error needs the old number: twins share all else, their parents' telephone as well.
A date with a fault needs no more than a right one: siblings have other names.
"""

from collections.abc import Mapping

from ndx_contracts.bodies import Input
from pydantic import Field

from svc_population.dedupe.vocabulary import Zone

Levels = Mapping[str, str]
"""Label of the level that each comparison of a pair came to; `UNKNOWN` where a side is empty."""
UNKNOWN = "UNKNOWN"
REVIEW, REVIEW_UNLESS = "REVIEW", "REVIEW_UNLESS"
"""Under these a run counts what is only looked at: by its name, or by what stands in for the name."""


class Corroboration(Input):
    """Something that agrees: a comparison on one of these levels gives its points to its group."""

    comparison: str
    levels: tuple[str, ...]
    points: int = Field(ge=1)
    group: str


class SureRule(Input):
    name: str = Field(pattern=r"^[A-Z][A-Z_]{1,29}$")
    """What a run counts its pairs under."""
    least_probability: float = Field(gt=0, lt=1)
    levels: dict[str, tuple[str, ...]]
    """Each of these comparisons stands on one of its levels."""
    contradictions: dict[str, tuple[str, ...]]
    """None of these comparisons stands on one of its levels."""
    corroborations: tuple[Corroboration, ...] = Field(min_length=1)
    least_points: int = Field(ge=1)


class ReviewRule(Input):
    least_probability: float = Field(gt=0, lt=1)
    levels: dict[str, tuple[str, ...]]
    unless: dict[str, tuple[str, ...]]
    """One of these levels stands in for a name that is on none of its own."""


class ZoneRules(Input):
    sure: tuple[SureRule, ...] = Field(min_length=1)
    """One of them is enough."""
    review: ReviewRule


def points(rule: SureRule, levels: Levels) -> int:
    """Return how much agrees beyond name and birth date, each group once."""
    best: dict[str, int] = {}
    for one in rule.corroborations:
        if levels.get(one.comparison) in one.levels:
            best[one.group] = max(best.get(one.group, 0), one.points)
    return sum(best.values())


def sorted_by(rules: ZoneRules, probability: float, levels: Levels) -> tuple[Zone, str]:
    """Return the zone of a pair, and the name of the rule that put it there."""
    for rule in rules.sure:
        if _is_sure(rule, probability, levels):
            return Zone.SURE, rule.name
    review = rules.review
    if probability >= review.least_probability:
        if _stands(review.levels, levels):
            return Zone.REVIEW, REVIEW
        if _any(review.unless, levels):
            return Zone.REVIEW, REVIEW_UNLESS
    return Zone.NO, ""


def zone_of(rules: ZoneRules, probability: float, levels: Levels) -> Zone:
    """Return the zone of a pair."""
    return sorted_by(rules, probability, levels)[0]


def _is_sure(rule: SureRule, probability: float, levels: Levels) -> bool:
    return (
        probability >= rule.least_probability
        and _stands(rule.levels, levels)
        and not _any(rule.contradictions, levels)
        and points(rule, levels) >= rule.least_points
    )


def _stands(wanted: Mapping[str, tuple[str, ...]], levels: Levels) -> bool:
    return all(levels.get(name) in allowed for name, allowed in wanted.items())


def _any(listed: Mapping[str, tuple[str, ...]], levels: Levels) -> bool:
    return any(levels.get(name) in named for name, named in listed.items())
