"""Draws names: family names by ethnic group and descent, middle and given names by sex and year of birth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndx_demo.population.households import NOBODY, People
from ndx_demo.population.pyramid import FEMALE, MALE
from ndx_demo.population.tables import PATTERNS, Draw, Names, matrilineal, names

Ints = NDArray[np.int64]
Rng = np.random.Generator
_WITH_MIDDLE = np.array([p.startswith("SURNAME+MIDDLE") for p in PATTERNS])
_COMPOUND = np.array([p.endswith("COMPOUND") for p in PATTERNS])
_REDRAWS = 4


@dataclass(frozen=True, slots=True)
class FullNames:
    """Numbers of words in the vocabulary: surname, two words of the middle name (0 = none), given name."""

    surname: Ints
    middle: Ints
    second_middle: Ints
    given: Ints


def cohort_of(birth_year: Ints) -> Ints:
    """Return the index of the name cohort."""
    return (birth_year >= 1975).astype(np.int64) + (birth_year >= 2000)  # noqa: PLR2004 - bounds of the tables


def _by_key(rng: Rng, draws: dict[tuple[int, int], Draw], first: Ints, second: Ints) -> Ints:
    """Draw for each person from the table of their two keys."""
    found = np.zeros(len(first), dtype=np.int64)
    for key, draw in draws.items():
        chosen = np.flatnonzero((first == key[0]) & (second == key[1]))
        if len(chosen):
            found[chosen] = draw.pick(rng, len(chosen))
    return found


def _own_surnames(rng: Rng, group: Ints, sex: Ints, table: Names) -> Ints:
    found = np.zeros(len(group), dtype=np.int64)
    for number in np.unique(group):
        for gender in (MALE, FEMALE):
            chosen = np.flatnonzero((group == number) & (sex == gender))
            if len(chosen):
                found[chosen] = table.surnames[int(number), gender].pick(rng, len(chosen))
    return found


def _bearable(surname: Ints, group: Ints, sex: Ints, table: Names) -> NDArray[np.bool_]:
    """Tell whom an inherited name fits: with some peoples a marker of the sex stands in its place."""
    fits = np.ones(len(surname), dtype=np.bool_)
    for number in np.unique(group):
        men, women = (set(table.surnames[int(number), g].values.tolist()) for g in (MALE, FEMALE))
        for gender, foreign in ((MALE, women - men), (FEMALE, men - women)):
            if foreign:
                chosen = (group == number) & (sex == gender)
                fits[chosen] = ~np.isin(surname[chosen], list(foreign))
    return fits


def _inherited(rng: Rng, people: People, group: Ints, table: Names) -> Ints:
    own = _own_surnames(rng, group, people.sex, table)
    by_mother = matrilineal()[group] | (people.father == NOBODY)
    parent = np.where(by_mother & (people.mother != NOBODY), people.mother, people.father)
    has = np.flatnonzero(parent != NOBODY)
    surname = own.copy()
    for _ in range(2):  # from grandparents to parents, then to children
        passed = surname.copy()
        passed[has] = surname[parent[has]]
        surname = np.where(_bearable(passed, group, people.sex, table), passed, own)
    return surname


def full_names(rng: Rng, people: People, group: Ints, birth_year: Ints) -> FullNames:
    """Draw the name of each person; no word stands twice in a name."""
    table = names()
    sex, cohort = people.sex, cohort_of(birth_year)
    surname = _inherited(rng, people, group, table)
    pattern = _by_key(rng, table.patterns, sex, cohort)
    compound = _COMPOUND[pattern]
    given = np.where(
        compound, _by_key(rng, table.compound, sex, cohort), _by_key(rng, table.single, sex, cohort)
    )
    first, last = table.given[given, 0], table.given[given, 1]
    middle = np.where(_WITH_MIDDLE[pattern], _by_key(rng, table.middle, sex, cohort), 0)
    for turn in range(_REDRAWS + 1):
        clash = np.flatnonzero((middle != 0) & ((middle == surname) | (middle == first) | (middle == last)))
        if not len(clash):
            break
        middle[clash] = _by_key(rng, table.middle, sex[clash], cohort[clash]) if turn < _REDRAWS else 0
    return FullNames(
        surname=surname,
        middle=np.where(middle != 0, middle, first),
        second_middle=np.where(middle != 0, first, 0),
        given=last,
    )
