"""Who can be whose parent, spouse or guardian: pure rules, the bounds are data with dates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from svc_population.dated_rules import DatedRules
from svc_population.relationships.vocabulary import Relation

FEMALE = "FEMALE"
_PREGNANCY_DAYS = 300


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds in force from a day on."""

    effective_from: date
    husband_youngest_years: int
    wife_youngest_years: int
    guardian_youngest_years: int


@dataclass(frozen=True, slots=True)
class Somebody:
    """What the rules look at of a person."""

    birth_date: date
    sex: str
    died_on: date | None


@dataclass(frozen=True, slots=True)
class Case:
    """Two people, what the other one is to the person, and since when."""

    relation: Relation
    person: Somebody
    other: Somebody
    since: date
    youngest_parent_years: int


@dataclass(frozen=True, slots=True)
class Named:
    """A person and somebody without a number; a parent's `since` is the birth."""

    relation: Relation
    person: Somebody
    birth_year: int | None
    since: date
    youngest_parent_years: int


bounds_on = DatedRules(__package__, Bounds).on
"""Returns the bounds of a day."""


def years_between(born: date, day: date) -> int:
    """Return completed years; who is born on 29 February completes one on 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def reasons(case: Case) -> Iterator[str]:
    """Yield what forbids the relationship, as stable codes."""
    if case.relation in {Relation.MOTHER, Relation.FATHER}:
        yield from _parent(case)
    elif case.relation is Relation.SPOUSE:
        yield from _spouse(case)
    else:
        if case.since < case.person.birth_date:
            yield "before-birth"
        if years_between(case.other.birth_date, case.since) < bounds_on(case.since).guardian_youngest_years:
            yield "guardian-too-young"
        if case.other.died_on is not None or case.person.died_on is not None:
            yield "dead"


def reasons_by_name(case: Named) -> Iterator[str]:
    """Yield what forbids a relationship to somebody of whom name and perhaps birth year are known."""
    person, since, year = case.person, case.since, case.birth_year
    if since < person.birth_date:
        yield "before-birth"
        return
    # At most so old: the year says no day.
    oldest = None if year is None else since.year - year
    if case.relation in {Relation.MOTHER, Relation.FATHER}:
        if oldest is not None and oldest < case.youngest_parent_years:
            yield "parent-too-young"
    elif case.relation is Relation.SPOUSE:
        bounds = bounds_on(since)
        own, others = bounds.husband_youngest_years, bounds.wife_youngest_years
        if person.sex == FEMALE:
            own, others = others, own
        if years_between(person.birth_date, since) < own or (oldest is not None and oldest < others):
            yield "spouse-too-young"
    elif oldest is not None and oldest < bounds_on(since).guardian_youngest_years:
        yield "guardian-too-young"


def _parent(case: Case) -> Iterator[str]:
    child, parent = case.person, case.other
    if (parent.sex == FEMALE) is not (case.relation is Relation.MOTHER):
        yield "parent-sex-differs"
    if years_between(parent.birth_date, child.birth_date) < case.youngest_parent_years:
        yield "parent-too-young"
    grace = 0 if case.relation is Relation.MOTHER else _PREGNANCY_DAYS
    if parent.died_on is not None and (child.birth_date - parent.died_on).days > grace:
        yield "parent-dead-before-birth"


def _spouse(case: Case) -> Iterator[str]:
    if case.person.sex == case.other.sex:
        yield "spouses-of-one-sex"
    bounds = bounds_on(case.since)
    for who in (case.person, case.other):
        youngest = bounds.wife_youngest_years if who.sex == FEMALE else bounds.husband_youngest_years
        if years_between(who.birth_date, case.since) < youngest:
            yield "spouse-too-young"
        if who.died_on is not None:
            yield "dead"
