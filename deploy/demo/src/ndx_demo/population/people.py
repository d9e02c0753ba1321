"""Puts blocks of complete synthetic people together: seed in, arrays out, the same arrays each time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ndx_demo.population.households import CHILD, HEAD, NOBODY, SPOUSE, YEAR, People
from ndx_demo.population.mix import members, mix
from ndx_demo.population.names import FullNames, full_names
from ndx_demo.population.numbers import Allocation, prefix
from ndx_demo.population.tables import Places, matrilineal, places

Ints = NDArray[np.int64]
Rng = np.random.Generator

AS_OF = date(2026, 10, 1)
"""The day on which the synthetic country is looked at."""
NEW_PROVINCES = date(2025, 7, 1)
"""34 provinces instead of 63; births from this day on are numbered with the new codes."""
BLOCK_HOMES = 16_000
SMALLEST = 1_000
CAST_COMMUNE = "26740"
CAST_MOST = 400
"""Young couples with one small child, put first and in one commune: the parents of the demo's births."""
CAST_ELDERS = 0.5
"""Old people who live alone, for each couple of the cast: in the same commune, wherever they stand."""
OLD_FROM = 75
MIXED_MARRIAGES = 0.06
BORN_AT_HOME = (0.62, 0.85)
CHILD_BORN_AT_HOME = (0.86, 0.95)
"""Shares of the people born in the commune where they live, and up to this bound in the same province."""
EPOCH = date(1970, 1, 1)


class TooFew(ValueError):
    """A population below the smallest size has no right proportions."""


@dataclass(frozen=True, slots=True)
class Block:
    """People of whole households, in the order of the file; links are positions in the block."""

    people: People
    first_household: int
    number: Ints
    """Personal numbers as integers."""
    names: FullNames
    group: Ints
    commune: Ints
    """Where the household lives."""
    birth_commune: Ints
    """A commune of today, or a former one for those born before the change."""
    born_before_change: NDArray[np.bool_]
    home_commune: Ints
    residence_since: Ints
    house: Ints

    def __len__(self) -> int:
        return len(self.number)


def day_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return (day - EPOCH).days


def years_of(days: Ints) -> Ints:
    """Return the calendar year of each day."""
    found: Ints = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return found


def _cut(people: People, wanted: int) -> People:
    """Keep whole households up to `wanted` people, made full with people who live alone."""
    sizes = np.bincount(people.household)
    total = np.cumsum(sizes)
    if total[-1] < wanted:
        return people
    kept = int(np.searchsorted(total, wanted, side="right"))
    short = wanted - (int(total[kept - 1]) if kept else 0)
    alone = np.flatnonzero((sizes[people.household] == 1) & (people.household >= kept))[:short]
    return people.take(np.r_[np.flatnonzero(people.household < kept), alone])


def _born_in(rng: Rng, people: People, commune: Ints, table: Places) -> Ints:
    """Draw where each was born: children where their mother lives, others mostly near their home."""
    near = np.where(people.mother != NOBODY, commune[people.mother], commune)
    child = people.relation == CHILD
    drawn = rng.random(len(near))
    same_province = table.within(rng, table.province[near])
    anywhere = table.anywhere(rng, len(near))
    here, nearby = (np.where(child, c, a) for c, a in zip(CHILD_BORN_AT_HOME, BORN_AT_HOME, strict=True))
    return np.where(drawn < here, near, np.where(drawn < nearby, same_province, anywhere))


def _groups(rng: Rng, people: People, commune: Ints, table: Places) -> Ints:
    """Draw a group per household; some wives are of another; children follow their people's rule."""
    heads = np.r_[True, np.diff(people.household) != 0]
    of_house = table.group(rng, table.province[commune[heads]])
    group = of_house[np.cumsum(heads) - 1]
    wives = np.flatnonzero((people.relation == SPOUSE) & (rng.random(len(group)) < MIXED_MARRIAGES))
    group[wives] = table.group(rng, table.province[commune[wives]])
    father = np.where(people.father != NOBODY, group[people.father], group[people.mother])
    mother = np.where(people.mother != NOBODY, group[people.mother], father)
    children = (people.mother != NOBODY) & (people.relation != SPOUSE)
    found: Ints = np.where(children, np.where(matrilineal()[mother], mother, father), group)
    return found


def old_and_alone(people: People) -> NDArray[np.bool_]:
    """Tell who is old and lives alone."""
    living = people.died == NOBODY
    alone = np.bincount(people.household, weights=living)[people.household] == 1
    old: NDArray[np.bool_] = people.born <= day_number(AS_OF) - int(OLD_FROM * YEAR)
    found: NDArray[np.bool_] = living & alone & old & (people.relation == HEAD)
    return found


def _block(rng: Rng, people: People, cast: int, first_household: int, numbers: Allocation) -> Block:
    table = places()
    count = len(people)
    homes = int(people.household[-1]) + 1
    home_at = table.anywhere(rng, homes)
    home_at[:cast] = table.codes.index(CAST_COMMUNE)
    elders = np.flatnonzero(old_and_alone(people))[: int(cast * CAST_ELDERS)]
    home_at[people.household[elders]] = table.codes.index(CAST_COMMUNE)
    commune = home_at[people.household]
    group = _groups(rng, people, commune, table)
    if cast:
        group[people.household < cast] = 1
    year = years_of(people.born)
    birth_now = _born_in(rng, people, commune, table)
    former = table.former(rng, birth_now)
    before = people.born < day_number(NEW_PROVINCES)
    old3 = np.array([int(c) for c in table.old_province_codes])[former]
    new3 = np.array([int(c) for c in table.province_codes])[table.province[birth_now]]
    number = numbers.allocate(prefix(np.where(before, old3, new3), year, people.sex))
    own_home = np.where(rng.random(count) < 0.8, birth_now, table.anywhere(rng, count))  # noqa: PLR2004 - most
    home_town = np.where(people.father != NOBODY, own_home[people.father], own_home)
    age = day_number(AS_OF) - people.born
    since = day_number(AS_OF) - (rng.random(homes)[people.household] * 20 * 365).astype(np.int64)
    return Block(
        people=people,
        first_household=first_household,
        number=number,
        names=full_names(rng, people, group, year),
        group=group,
        commune=commune,
        birth_commune=np.where(before, former, birth_now),
        born_before_change=before,
        home_commune=home_town,
        residence_since=np.maximum(since, day_number(AS_OF) - age),
        house=rng.integers(1, 1000, homes)[people.household],
    )


def blocks(people: int, *, seed: int) -> Iterator[Block]:
    """Yield exactly as many people as wanted, in blocks of some 50,000, with constant memory.

    Raises:
        TooFew: fewer than a thousand are wanted.
    """
    if people < SMALLEST:
        raise TooFew(f"the smallest population has {SMALLEST} people")
    numbers = Allocation(seed)
    done, index, household = 0, 0, 0
    today = day_number(AS_OF)
    while done < people:
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
        wanted = people - done
        homes = min(BLOCK_HOMES, int(wanted * mix().per_person * 1.1) + 50)
        cast = min(CAST_MOST, people // 100) if index == 0 else 0
        drawn = _cut(members(rng, homes, today, cast), wanted)
        yield _block(rng, drawn, cast, household, numbers)
        done += len(drawn)
        household += int(drawn.household[-1]) + 1
        index += 1
