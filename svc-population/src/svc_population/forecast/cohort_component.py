"""The cohort-component method, pure: a population by sex and single year of age, one year further at a time.

Within a year, everybody either dies (by sex and age) or becomes a year older; the last age is open. Women
bear children at the rate of their age, taken at the mean of the women at the year's beginning and end; of the
newborn some die within the year. Net migration follows the age and joins at the year's end. All numbers are
expected values and need not be whole: nothing is rounded on the way, so that births, deaths and migrants
account for every change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OLDEST = 100
"""The open last age: 100 years and more."""
Ages = tuple[float, ...]
"""One number for each year of age from 0 to OLDEST."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Rates per person and year, by single years of age."""

    female_mortality: Ages
    male_mortality: Ages
    fertility: Ages
    female_migration: Ages
    male_migration: Ages
    boys_per_girl: float = 1.11


@dataclass(frozen=True, slots=True)
class Year:
    """A population at a year's end, and what the year brought."""

    female: Ages
    male: Ages
    births: float = 0.0
    deaths: float = 0.0
    migrants: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.female) + sum(self.male)


def _older(people: Ages, mortality: Ages) -> tuple[list[float], float]:
    """Return who is alive a year later, by age, without newborn, and how many died."""
    alive = [n * (1 - q) for n, q in zip(people, mortality, strict=True)]
    later = [0.0, *alive[:-1]]
    later[OLDEST] += alive[OLDEST]
    return later, sum(people) - sum(alive)


def next_year(now: Year, rates: Assumptions) -> Year:
    """Return the population one year later."""
    female, female_deaths = _older(now.female, rates.female_mortality)
    male, male_deaths = _older(now.male, rates.male_mortality)
    births = sum(
        rate * (before + after) / 2
        for rate, before, after in zip(rates.fertility, now.female, female, strict=True)
    )
    girls = births / (1 + rates.boys_per_girl)
    boys = births - girls
    female[0] += girls * (1 - rates.female_mortality[0])
    male[0] += boys * (1 - rates.male_mortality[0])
    newborn_deaths = girls * rates.female_mortality[0] + boys * rates.male_mortality[0]
    come = [n * m for n, m in zip(female, rates.female_migration, strict=True)]
    come_male = [n * m for n, m in zip(male, rates.male_migration, strict=True)]
    return Year(
        female=tuple(n + c for n, c in zip(female, come, strict=True)),
        male=tuple(n + c for n, c in zip(male, come_male, strict=True)),
        births=births,
        deaths=female_deaths + male_deaths + newborn_deaths,
        migrants=sum(come) + sum(come_male),
    )


def forecast(base: Year, rates: Assumptions, years: int) -> Sequence[Year]:
    """Return the coming years, one after the other."""
    found: list[Year] = []
    for _ in range(years):
        base = next_year(base, rates)
        found.append(base)
    return found
