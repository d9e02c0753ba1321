"""Households with their members: who is whose parent and spouse, and when each was born.

Families are drawn from the age of their oldest child, so that children follow the pyramid; everybody whom the
families do not account for lives as a couple or alone. All days are counted from 1970-01-01.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ndx_demo.population.pyramid import AGES, BOYS_AT_BIRTH, FEMALE, MALE, Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rng = np.random.Generator

YEAR = 365.2425
NOBODY = -1
HEAD, SPOUSE, CHILD, PARENT, NO_RELATION = range(5)
SINGLE, MARRIED, DIVORCED, WIDOWED = range(4)
OLDEST_CHILD = 25
"""Years from which on nobody is counted as a child of a family."""
LEAVES_FROM = 18
FIRST_BIRTH_AGE = (17.0, 40.0)
LAST_BIRTH_AGE = 46.0
SHORTEST_INTERVAL = 330
FATHER_AGES = (18.0, 62.0)
TWINS = 0.012
LONE_PARENTS = 0.08
WITH_GRANDPARENTS = 0.16
SURVIVAL = ((0, 50, 60, 70, 80, 90, 99), (1.0, 0.97, 0.93, 0.82, 0.58, 0.20, 0.03))
CAST_AGE = (2.0, 7.0)


@dataclass(slots=True)
class People:
    """Columns of equal length; links are positions in the same columns or NOBODY."""

    household: Ints
    relation: Ints
    sex: Ints
    born: Ints
    died: Ints
    """Day of death, or NOBODY."""
    marital: Ints
    mother: Ints
    father: Ints
    spouse: Ints

    def __len__(self) -> int:
        return len(self.sex)

    def take(self, chosen: Ints) -> "People":
        """Return the chosen people in that order, with links to them."""
        new = np.full(len(self) + 1, NOBODY)
        new[chosen] = np.arange(len(chosen))
        links = {name: new[getattr(self, name)[chosen]] for name in ("mother", "father", "spouse")}
        plain = ("household", "relation", "sex", "born", "died", "marital")
        return People(**{name: getattr(self, name)[chosen] for name in plain}, **links)


@dataclass(slots=True)
class Draft:
    """Collects members before they are put in order."""

    parts: list[dict[str, Ints]] = field(default_factory=list)
    size: int = 0

    def add(self, household: Ints, relation: int, sex: Ints | int, born: Ints, **more: Ints | int) -> Ints:
        count = len(household)
        values: dict[str, Ints | int] = {
            "household": household,
            "relation": relation,
            "sex": sex,
            "born": born,
            "died": NOBODY,
            "marital": SINGLE,
            "mother": NOBODY,
            "father": NOBODY,
            "spouse": NOBODY,
            **more,
        }
        self.parts.append({k: np.broadcast_to(v, count).astype(np.int64) for k, v in values.items()})
        self.size += count
        return np.arange(self.size - count, self.size)

    def people(self) -> People:
        names = self.parts[0]
        return People(**{n: np.concatenate([part[n] for part in self.parts]) for n in names})


def _years(rng: Rng, size: int, *, mean: float, spread: float, bounds: tuple[float, float]) -> Floats:
    drawn: Floats = np.clip(rng.normal(mean, spread, size), *bounds) * YEAR
    return drawn


def _at_home(age: Floats) -> Floats:
    stays: Floats = np.interp(age, (LEAVES_FROM, OLDEST_CHILD), (1.0, 0.35))
    return stays


def families_of(rng: Rng, draft: Draft, homes: Ints, oldest_age: Floats, *, today: int, cast: int) -> Bools:
    """Add families, one for each of `homes`; return for each child whether it left home."""
    count = len(homes)
    staged = np.arange(count) < cast
    oldest_age = np.where(staged, CAST_AGE[0] + rng.random(count) * (CAST_AGE[1] - CAST_AGE[0]), oldest_age)
    first = today - (oldest_age * YEAR).astype(np.int64)
    mother = first - _years(rng, count, mean=25.5, spread=4.3, bounds=FIRST_BIRTH_AGE).astype(np.int64)
    gap = (rng.normal(2.8, 3.2, count) * YEAR).astype(np.int64)
    low, high = (np.int64(years * YEAR) for years in FATHER_AGES)
    father = np.clip(mother - gap, first - high, first - low)
    lone = (rng.random(count) < LONE_PARENTS) & ~staged
    births = _births(
        rng, first, mother, np.where(staged, 1, rng.choice(4, count, p=(0.2, 0.53, 0.2, 0.07)) + 1)
    )
    elders = (rng.random(count) < WITH_GRANDPARENTS) & ~lone & ~staged
    grandmother, grandfather = _elders(rng, draft, homes, chosen=elders, father=father, today=today)
    together = ~lone
    fathers = np.full(count, NOBODY)
    fathers[together] = draft.add(
        homes[together],
        HEAD,
        MALE,
        father[together],
        marital=MARRIED,
        mother=grandmother[together],
        father=grandfather[together],
    )
    status = np.where(together, MARRIED, rng.choice((SINGLE, DIVORCED, WIDOWED), count, p=(0.3, 0.45, 0.25)))
    mothers = draft.add(homes, SPOUSE, FEMALE, mother, marital=status, spouse=fathers)
    draft.parts[-1]["relation"][lone] = HEAD
    draft.parts[-2]["spouse"] = mothers[together]
    return _children(rng, draft, births, homes, parents=(mothers, fathers), today=today, staged=staged)


def _births(rng: Rng, first: Ints, mother: Ints, wanted: Ints) -> list[tuple[Ints, Ints]]:
    """Return pairs of family and day, one pair of arrays for each place among the siblings."""
    found = [(np.arange(len(first)), first)]
    day = first.copy()
    for place in range(1, 4):
        interval = SHORTEST_INTERVAL + rng.gamma(2.0, 500.0, len(first))
        day = day + interval.astype(np.int64)
        some = np.flatnonzero((wanted > place) & (day - mother < LAST_BIRTH_AGE * YEAR))
        found.append((some, day[some]))
    return found


def _elders(
    rng: Rng, draft: Draft, homes: Ints, *, chosen: Bools, father: Ints, today: int
) -> tuple[Ints, Ints]:
    """Add the father's parents who are still alive; return their positions for each family."""
    count = len(homes)
    her = father - _years(rng, count, mean=26, spread=4.5, bounds=(18, 44)).astype(np.int64)
    him = np.minimum(her - (rng.normal(2.5, 3, count) * YEAR).astype(np.int64), father - np.int64(19 * YEAR))
    alive = []
    for born in (her, him):
        age = (today - born) / YEAR
        alive.append(chosen & (rng.random(count) < np.interp(age, *SURVIVAL)) & (age < AGES - 1))
    both = alive[0] & alive[1]
    status = np.where(both, MARRIED, WIDOWED)
    at = []
    for lives, sex, born in zip(alive, (FEMALE, MALE), (her, him), strict=True):
        place = np.full(count, NOBODY)
        place[lives] = draft.add(homes[lives], PARENT, sex, born[lives], marital=status[lives])
        at.append(place)
    for part, lives, other in ((-2, alive[0], at[1]), (-1, alive[1], at[0])):
        draft.parts[part]["spouse"] = other[lives]
    return at[0], at[1]


def _children(
    rng: Rng,
    draft: Draft,
    births: list[tuple[Ints, Ints]],
    homes: Ints,
    *,
    parents: tuple[Ints, Ints],
    today: int,
    staged: Bools,
) -> Bools:
    left: list[Bools] = []
    for family, day in births:
        happened = day <= today
        family, day = family[happened], day[happened]  # noqa: PLW2901 - only births up to today
        twin = (rng.random(len(family)) < TWINS) & ~staged[family]
        sex = np.where(rng.random(len(family)) < BOYS_AT_BIRTH, MALE, FEMALE)
        other = np.where(rng.random(len(family)) < 0.65, sex, 1 - sex)  # noqa: PLR2004 - many twins are alike
        for chosen, gender in ((np.ones(len(family), dtype=np.bool_), sex), (twin, other)):
            of = family[chosen]
            age = (today - day[chosen]) / YEAR
            left.append(rng.random(len(of)) >= _at_home(age))
            draft.add(
                homes[of], CHILD, gender[chosen], day[chosen], mother=parents[0][of], father=parents[1][of]
            )
    return np.concatenate(left)
