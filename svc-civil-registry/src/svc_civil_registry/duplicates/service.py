"""Applies the duplicate rules in force to a birth and those that it might repeat; each hit names its rule."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from uuid import UUID

from svc_civil_registry.duplicates.name_folding import fold, similar


class RuleKind(StrEnum):
    """The comparisons that a rule can ask for; days and dates of effect are data."""

    SAME_NOTICE = "SAME_NOTICE"
    SIMILAR_CHILD_AND_MOTHER = "SIMILAR_CHILD_AND_MOTHER"
    SAME_MOTHER_SPACING = "SAME_MOTHER_SPACING"
    SAME_NAME_SAME_MOTHER = "SAME_NAME_SAME_MOTHER"
    SAME_CHILD_NO_MOTHER = "SAME_CHILD_NO_MOTHER"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule while it is in force; `days` is the greatest distance of the birth dates."""

    code: str
    kind: RuleKind
    effective_from: date
    effective_to: date | None
    days: int
    words: str


@dataclass(frozen=True, slots=True)
class BirthFacts:
    """What the rules compare. `birth_order` tells children of one multiple birth apart."""

    birth_id: UUID
    child_name: str
    birth_date: date
    plurality: int
    birth_order: int
    mother_name: str | None
    mother_personal_id: str | None
    mother_birth_year: int | None
    notice: str | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired, and the other record."""

    rule: str
    birth_id: UUID


@cache
def rules() -> tuple[Rule, ...]:
    """Return all rules, those of the past included."""
    text = (files("svc_civil_registry") / "data" / "duplicate_rules.json").read_text(encoding="utf-8")
    return tuple(
        Rule(
            code=entry["code"],
            kind=RuleKind(entry["kind"]),
            effective_from=date.fromisoformat(entry["effective_from"]),
            effective_to=date.fromisoformat(entry["effective_to"]) if entry["effective_to"] else None,
            days=entry["days"],
            words=entry["words"],
        )
        for entry in json.loads(text)
    )


def rules_in_force(day: date) -> tuple[Rule, ...]:
    """Return the rules that hold on a day."""
    return tuple(
        r for r in rules() if r.effective_from <= day and (r.effective_to is None or day <= r.effective_to)
    )


def window_days(day: date) -> int:
    """Return the widest distance of birth dates that any rule looks at."""
    return max((r.days for r in rules_in_force(day)), default=0)


def find_hits(birth: BirthFacts, others: Iterable[BirthFacts], *, day: date) -> tuple[Hit, ...]:
    """Compare a birth with each candidate under the rules in force on a day; one hit per rule and record."""
    in_force = rules_in_force(day)
    return tuple(
        Hit(rule.code, other.birth_id)
        for other in others
        for rule in in_force
        if _COMPARISONS[rule.kind](birth, other, rule.days)
    )


def _apart(one: BirthFacts, other: BirthFacts) -> int:
    return abs((one.birth_date - other.birth_date).days)


_SAME_LABOUR_DAYS = 1
_MOTHER_YEARS = 1


def _siblings_of_one_birth(one: BirthFacts, other: BirthFacts) -> bool:
    """Twins are real: same labour, declared as a multiple birth, another place in the order."""
    return (
        one.plurality > 1
        and one.plurality == other.plurality
        and one.birth_order != other.birth_order
        and _apart(one, other) <= _SAME_LABOUR_DAYS
    )


def _same_mother(one: BirthFacts, other: BirthFacts) -> bool:
    return one.mother_personal_id is not None and one.mother_personal_id == other.mother_personal_id


def _mothers_alike(one: BirthFacts, other: BirthFacts) -> bool:
    if one.mother_name is None or other.mother_name is None:
        return False
    if one.mother_personal_id and other.mother_personal_id:
        return one.mother_personal_id == other.mother_personal_id
    if (
        one.mother_birth_year is not None
        and other.mother_birth_year is not None
        and abs(one.mother_birth_year - other.mother_birth_year) > _MOTHER_YEARS
    ):
        return False
    return similar(one.mother_name, other.mother_name)


def _same_notice(one: BirthFacts, other: BirthFacts, _days: int) -> bool:
    return one.notice is not None and one.notice == other.notice and not _siblings_of_one_birth(one, other)


def _similar_child_and_mother(one: BirthFacts, other: BirthFacts, days: int) -> bool:
    return (
        _apart(one, other) <= days
        and not _siblings_of_one_birth(one, other)
        and _mothers_alike(one, other)
        and similar(one.child_name, other.child_name)
    )


def _same_mother_spacing(one: BirthFacts, other: BirthFacts, days: int) -> bool:
    if not _same_mother(one, other) or _siblings_of_one_birth(one, other):
        return False
    twins_by_name = _apart(one, other) <= _SAME_LABOUR_DAYS and fold(one.child_name) != fold(other.child_name)
    return _apart(one, other) < days and not twins_by_name


def _same_name_same_mother(one: BirthFacts, other: BirthFacts, days: int) -> bool:
    return (
        _same_mother(one, other)
        and _apart(one, other) <= days
        and not _siblings_of_one_birth(one, other)
        and fold(one.child_name) == fold(other.child_name)
    )


def _same_child_no_mother(one: BirthFacts, other: BirthFacts, days: int) -> bool:
    return (
        one.mother_name is None
        and other.mother_name is None
        and _apart(one, other) <= days
        and not _siblings_of_one_birth(one, other)
        and fold(one.child_name) == fold(other.child_name)
    )


_COMPARISONS: dict[RuleKind, Callable[[BirthFacts, BirthFacts, int], bool]] = {
    RuleKind.SAME_NOTICE: _same_notice,
    RuleKind.SIMILAR_CHILD_AND_MOTHER: _similar_child_and_mother,
    RuleKind.SAME_MOTHER_SPACING: _same_mother_spacing,
    RuleKind.SAME_NAME_SAME_MOTHER: _same_name_same_mother,
    RuleKind.SAME_CHILD_NO_MOTHER: _same_child_no_mother,
}
