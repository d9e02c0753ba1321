"""The cohort-component method, pure: a population by sex and single year of age, one year further at a time.

Ages are those completed at a year's end, so that an age is a birth cohort. From one year's end to the next a
cohort is multiplied by a survival ratio of the life table, L(x+1)/L(x), since its people are on average half
a year older than x; the last age is open. Women bear children at the rate of their completed age, for the
mean of the women of that age at the year's beginning and end; the newborn live to the year's end by L(0), so
that the mortality of infants is met once, partly in the year of birth and partly in the next. Net migration
follows the age and joins at the year's end. All numbers are expected values and need not be whole: nothing is
rounded on the way, so that births, deaths and migrants account for every change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

OLDEST = 100
"""The open last age: 100 years and more."""
Ages = tuple[float, ...]
"""One number for each year of age from 0 to OLDEST."""


@dataclass(frozen=True, slots=True)
class Survival:
    """Shares of people who are alive at the year's end."""

    newborn: float
    """Of those born within the year."""
    by_age: Ages
    """Of those who had an age at the year's beginning; the last is that of the open age itself."""


def survival(mortality: Ages, infant_years_lived: float) -> Survival:
    """Return the survival ratios of a life table, given the chances to die between two exact ages.

    `infant_years_lived`: what of their first year those live who die in it (a0); in later years it is half.
    """
    alive = [1.0]
    for q in mortality[:-1]:
        alive.append(alive[-1] * (1 - q))
    lived = [
        alive[age] * (1 - q * (1 - (infant_years_lived if age == 0 else 0.5)))
        for age, q in enumerate(mortality)
    ]
    ratios = [later / earlier if earlier > 0 else 0.0 for earlier, later in pairwise(lived)]
    # Within the open age, the chance to die is the same from year to year.
    return Survival(newborn=lived[0], by_age=(*(min(1.0, r) for r in ratios), 1 - mortality[-1]))


@dataclass(frozen=True)
class Assumptions:
    """Rates per person and year, by single years of age; mortality is the life table's q(x)."""

    female_mortality: Ages
    male_mortality: Ages
    fertility: Ages
    female_migration: Ages
    male_migration: Ages
    boys_per_girl: float = 1.11
    infant_years_lived: float = 0.13

    @cached_property
    def female_survival(self) -> Survival:
        return survival(self.female_mortality, self.infant_years_lived)

    @cached_property
    def male_survival(self) -> Survival:
        return survival(self.male_mortality, self.infant_years_lived)


@dataclass(frozen=True, slots=True)
class Year:
    """A population at a year's end, and what the year (or the rest of it) brought."""

    female: Ages
    male: Ages
    births: float = 0.0
    deaths: float = 0.0
    migrants: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.female) + sum(self.male)


def next_year(now: Year, rates: Assumptions) -> Year:
    """Return the population at the end of the next year."""
    female = _alive(now.female, rates.female_survival.by_age)
    male = _alive(now.male, rates.male_survival.by_age)
    return _completed(now, now.female, (_older(female), _older(male)), (female, male), rates, share=1.0)


def rest_of_year(now: Year, rates: Assumptions, share: float) -> Year:
    """Return the population at the end of this year, of which a share is left.

    `now` has the ages that people complete within this year: those who were born in it are there as far as
    they were born, and nobody becomes older.
    """
    female = _alive(now.female, _into_age(rates.female_survival), share)
    male = _alive(now.male, _into_age(rates.male_survival), share)
    # At the year's beginning each of these women was a year younger.
    begun = (*now.female[1:], now.female[OLDEST])
    return _completed(now, begun, (list(female), list(male)), (female, male), rates, share=share)


def forecast(base: Year, rates: Assumptions, years: int) -> Sequence[Year]:
    """Return the coming years, one after the other; the base is a year's end."""
    found: list[Year] = []
    for _ in range(years):
        base = next_year(base, rates)
        found.append(base)
    return found


def _alive(people: Ages, ratios: Sequence[float], share: float = 1.0) -> Ages:
    return tuple(n * s**share for n, s in zip(people, ratios, strict=True))


def _older(alive: Ages) -> list[float]:
    """Return people by the age that they completed, without newborn."""
    later = [0.0, *alive[:-1]]
    later[OLDEST] += alive[OLDEST]
    return later


def _into_age(survival: Survival) -> Ages:
    """Return the ratios of the year in which an age is completed."""
    return (survival.by_age[0], *survival.by_age[:-1])


def _completed(
    now: Year,
    begun: Ages,
    end: tuple[list[float], list[float]],
    alive: tuple[Ages, Ages],
    rates: Assumptions,
    *,
    share: float,
) -> Year:
    """Add births and migrants to those who are alive at the year's end.

    `begun`: women at the year's beginning; `alive`: of `now`, who is alive at the end.
    """
    female, male = end
    births = share * sum(
        rate * (before + after) / 2
        for rate, before, after in zip(rates.fertility, begun, female, strict=True)
    )
    girls = births / (1 + rates.boys_per_girl)
    boys = births - girls
    female[0] += girls * rates.female_survival.newborn
    male[0] += boys * rates.male_survival.newborn
    deaths = (
        sum(n - a for n, a in zip((*now.female, *now.male), (*alive[0], *alive[1]), strict=True))
        + girls * (1 - rates.female_survival.newborn)
        + boys * (1 - rates.male_survival.newborn)
    )
    come = [n * m * share for n, m in zip(female, rates.female_migration, strict=True)]
    come_male = [n * m * share for n, m in zip(male, rates.male_migration, strict=True)]
    return Year(
        female=tuple(n + c for n, c in zip(female, come, strict=True)),
        male=tuple(n + c for n, c in zip(male, come_male, strict=True)),
        births=births,
        deaths=deaths,
        migrants=sum(come) + sum(come_male),
    )
