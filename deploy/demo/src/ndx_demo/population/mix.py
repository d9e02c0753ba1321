"""The kinds of households in their right numbers, so that all the living follow the age pyramid."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ndx_demo.population.households import (
    CHILD,
    DIVORCED,
    HEAD,
    MARRIED,
    NO_RELATION,
    NOBODY,
    OLDEST_CHILD,
    SINGLE,
    SPOUSE,
    WIDOWED,
    YEAR,
    Draft,
    Ints,
    People,
    Rng,
    families_of,
)
from ndx_demo.population.pyramid import AGES, FEMALE, MALE, Floats, pyramid

FAMILY, COUPLE, MAN, WOMAN = range(4)
PARTNERED = ((0, 20, 24, 30, 40, 60, 75, 99), (0.0, 0.0, 0.25, 0.62, 0.80, 0.86, 0.75, 0.45))
GAPS = (range(-2, 8), (0.04, 0.07, 0.12, 0.15, 0.16, 0.15, 0.12, 0.09, 0.06, 0.04))
"""Years that a husband is older, and how often."""
DEATHS_SINCE = 5 * 365
"""The database was opened about five years ago; people who died before are not in it."""
RECENTLY_WIDOWED = 0.35


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the four kinds of households, households per person, and the ages of their members."""

    kinds: Floats
    per_person: float
    oldest: Floats
    husbands: Floats
    men: Floats
    women: Floats


def count_by_age(people: People, today: int) -> Floats:
    """Return the number of people by sex and age."""
    ages = np.clip(((today - people.born) / YEAR).astype(np.int64), 0, AGES - 1)
    counted = np.bincount(people.sex * AGES + ages, minlength=2 * AGES).astype(np.float64)
    return counted.reshape(2, AGES)


def _oldest_ages() -> Floats:
    """Solve for the ages of oldest children so that all children together follow the pyramid."""
    target = pyramid().sum(axis=0)[:OLDEST_CHILD]
    target = target * np.interp(
        np.arange(OLDEST_CHILD), (17, 25), (1.0, 0.85)
    )  # the rest are parents already
    table = np.zeros((OLDEST_CHILD, OLDEST_CHILD))
    rng = np.random.default_rng(1)
    size = 4000
    for years in range(OLDEST_CHILD):
        draft = Draft()
        families_of(rng, draft, np.arange(size), years + rng.random(size), today=0, cast=0)
        people = draft.people()
        ages = (-people.born[people.relation == CHILD] / YEAR).astype(np.int64)
        table[years] = np.bincount(ages, minlength=OLDEST_CHILD)[:OLDEST_CHILD] / size
    weights = np.zeros(OLDEST_CHILD)
    for years in reversed(range(OLDEST_CHILD)):
        rest = target[years] - weights @ table[:, years]
        weights[years] = max(rest, 0.0) / table[years, years]
    return weights


@lru_cache(maxsize=1)
def mix() -> Mix:
    """Return the kinds of households; families first, the rest of the pyramid is shared out to the others."""
    oldest = _oldest_ages()
    families = float(oldest.sum())
    rng = np.random.default_rng(2)
    size = 40_000
    draft = Draft()
    ages = rng.choice(OLDEST_CHILD, size, p=oldest / families) + rng.random(size)
    families_of(rng, draft, np.arange(size), ages, today=0, cast=0)
    rest = np.maximum(pyramid() - count_by_age(draft.people(), 0) * families / size, 0.0)
    husbands = rest[MALE] * np.interp(np.arange(AGES), *PARTNERED)
    wives = sum((share * np.roll(husbands, -gap) for gap, share in zip(*GAPS, strict=True)), np.zeros(AGES))
    men, women = rest[MALE] - husbands, np.maximum(rest[FEMALE] - wives, 0.0)
    shares = np.array([families, husbands.sum(), men.sum(), women.sum()])
    return Mix(
        kinds=shares / shares.sum(),
        per_person=float(shares.sum()),
        oldest=oldest / families,
        husbands=husbands / husbands.sum(),
        men=men / men.sum(),
        women=women / women.sum(),
    )


def members(rng: Rng, count: int, today: int, cast: int) -> People:
    """Return the people of `count` households, and of the grown-up children's own, by household."""
    found = mix()
    kind = rng.choice(4, count, p=found.kinds)
    kind[:cast] = FAMILY
    draft = Draft()
    homes = [np.flatnonzero(kind == k) for k in range(4)]
    oldest = rng.choice(OLDEST_CHILD, len(homes[FAMILY]), p=found.oldest) + rng.random(len(homes[FAMILY]))
    left = families_of(rng, draft, homes[FAMILY], oldest, today=today, cast=cast)
    moved = np.flatnonzero(left) + draft.size - len(left)
    _couples(rng, draft, homes[COUPLE], found.husbands, today)
    for sex, at, ages in ((MALE, MAN, found.men), (FEMALE, WOMAN, found.women)):
        _alone(rng, draft, homes[at], sex=sex, ages=ages, today=today)
    people = draft.people()
    key = people.household.astype(np.float64)
    key[moved] = rng.uniform(cast, count, len(moved))
    people.relation[moved] = HEAD
    order = np.lexsort((people.born, people.relation, key))
    people = people.take(order)
    people.household = np.cumsum(np.r_[False, np.diff(key[order]) != 0])
    return people


def _born(rng: Rng, ages: Ints, today: int) -> Ints:
    born: Ints = today - ((ages + rng.random(len(ages))) * YEAR).astype(np.int64)
    return born


def _couples(rng: Rng, draft: Draft, homes: Ints, ages: Floats, today: int) -> None:
    his = _born(rng, rng.choice(AGES, len(homes), p=ages), today)
    gap = rng.choice(np.array(GAPS[0]), len(homes), p=np.array(GAPS[1])) * int(YEAR)
    hers = np.clip(his + gap, None, today - int(18 * YEAR))
    husbands = draft.add(homes, HEAD, MALE, his, marital=MARRIED)
    wives = draft.add(homes, SPOUSE, FEMALE, hers, marital=MARRIED, spouse=husbands)
    draft.parts[-2]["spouse"] = wives


def _alone(rng: Rng, draft: Draft, homes: Ints, *, sex: int, ages: Floats, today: int) -> None:
    count = len(homes)
    born = _born(rng, rng.choice(AGES, count, p=ages), today)
    age = (today - born) / YEAR
    drawn = rng.random(count)
    single = np.interp(age, (28, 40, 60, 75), (1.0, 0.55, 0.2, 0.08))
    divorced = np.interp(age, (28, 40, 60, 75), (1.0, 0.9, 0.4, 0.15))
    status = np.where(drawn < single, SINGLE, np.where(drawn < divorced, DIVORCED, WIDOWED))
    gone = (status == WIDOWED) & (rng.random(count) < RECENTLY_WIDOWED)
    living = draft.add(homes, HEAD, sex, born, marital=status)
    gap = (rng.normal(2.5, 3.0, int(gone.sum())) * YEAR).astype(np.int64) * (1 if sex == MALE else -1)
    birth = np.clip(born[gone] + gap, today - int((AGES - 1) * YEAR), today - int(25 * YEAR))
    died = today - rng.integers(1, DEATHS_SINCE, len(birth))
    back = np.full(count, NOBODY)
    back[gone] = draft.add(
        homes[gone], NO_RELATION, 1 - sex, birth, died=died, marital=MARRIED, spouse=living[gone]
    )
    draft.parts[-2]["spouse"] = back
