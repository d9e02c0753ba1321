"""The method's accounts balance, whatever the population and the rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.forecast.assumptions import assumptions
from svc_population.forecast.cohort_component import (
    OLDEST,
    Assumptions,
    Year,
    forecast,
    next_year,
    rest_of_year,
)
from svc_population.forecast.in_tens import in_tens, parts_in_tens

NONE = (0.0,) * (OLDEST + 1)


def ages(top: float) -> st.SearchStrategy[tuple[float, ...]]:
    some = st.lists(st.floats(0, top), min_size=5, max_size=5)
    return some.map(lambda five: tuple(five[n % 5] for n in range(OLDEST + 1)))


RATES = st.builds(
    Assumptions,
    female_mortality=ages(1),
    male_mortality=ages(1),
    fertility=ages(0.3),
    female_migration=ages(0.1),
    male_migration=ages(0.1),
    boys_per_girl=st.floats(0.9, 1.3),
)
PEOPLE = st.builds(Year, female=ages(100_000), male=ages(100_000))


class TestNextYear:
    @given(now=PEOPLE, rates=RATES)
    def test_the_accounts_balance(self, now, rates):
        later = next_year(now, rates)
        expected = now.total + later.births - later.deaths + later.migrants
        assert later.total == pytest.approx(expected, rel=1e-9, abs=1e-6)
        assert min(*later.female, *later.male) >= 0

    @given(now=PEOPLE)
    def test_where_nobody_is_born_dies_or_moves_everybody_is_a_year_older(self, now):
        later = next_year(now, Assumptions(NONE, NONE, NONE, NONE, NONE))
        assert later.female[1:OLDEST] == now.female[: OLDEST - 1]
        assert later.female[OLDEST] == pytest.approx(now.female[OLDEST - 1] + now.female[OLDEST])
        assert (later.female[0], later.births, later.deaths) == (0, 0, 0)

    @given(now=PEOPLE, rates=RATES, factor=st.floats(0.1, 10))
    def test_twice_the_people_have_twice_the_future(self, now, rates, factor):
        bigger = Year(tuple(n * factor for n in now.female), tuple(n * factor for n in now.male))
        assert next_year(bigger, rates).total == pytest.approx(next_year(now, rates).total * factor, rel=1e-6)


def at(**numbers: float) -> tuple[float, ...]:
    """Return ages of which a few have a number: at(_29=1000)."""
    ages = [0.0] * (OLDEST + 1)
    for name, number in numbers.items():
        ages[int(name[1:])] = number
    return tuple(ages)


def rates_of(mortality: tuple[float, ...] = NONE, fertility: tuple[float, ...] = NONE) -> Assumptions:
    return Assumptions(mortality, mortality, fertility, NONE, NONE, boys_per_girl=1.0, infant_years_lived=0.1)


class TestHandComputed:
    def test_infants_meet_the_mortality_of_their_first_year_once(self):
        # 1,000 women are 29 and become 30: half a year at 0.1, half at 0.2: 150 children, 75 girls.
        rates = rates_of(mortality=at(_0=0.02), fertility=at(_29=0.1, _30=0.2))
        first = next_year(Year(at(_29=1000.0), NONE), rates)
        assert first.births == pytest.approx(150)
        # L(0) = 0.98 + 0.1 x 0.02 = 0.982 of them are alive at the year's end.
        assert first.female[0] == pytest.approx(75 * 0.982)
        assert first.deaths == pytest.approx(150 * 0.018)
        # A year later l(1) = 0.98 of them are: 2 % died in all, not 2 % twice.
        second = next_year(first, rates)
        assert second.female[1] == pytest.approx(75 * 0.98)
        assert second.male[1] == pytest.approx(75 * 0.98)

    def test_people_of_an_age_are_on_average_half_a_year_older(self):
        # l(60) = 1, l(61) = 0.9, l(62) = 0.72: L(60) = 0.95, L(61) = 0.81.
        rates = rates_of(mortality=at(_60=0.1, _61=0.2))
        later = next_year(Year(at(_60=950.0), NONE), rates)
        assert later.female[61] == pytest.approx(810)

    def test_the_open_age_takes_in_and_keeps(self):
        # l(99) = 1, l(100) = 0.7: L(99) = 0.85, and 0.7 x 0.8 = 0.56 live through the year after.
        rates = rates_of(mortality=at(_99=0.3, _100=0.4))
        later = next_year(Year(at(_99=85.0, _100=50.0), NONE), rates)
        assert later.female[OLDEST] == pytest.approx(56 + 50 * 0.6)

    def test_more_boys_are_born_than_girls(self):
        rates = Assumptions(NONE, NONE, at(_30=0.2), NONE, NONE, boys_per_girl=1.11)
        later = next_year(Year(at(_29=2110.0), NONE), rates)
        assert (later.female[0], later.male[0]) == pytest.approx((100, 111))

    def test_the_rest_of_a_year_makes_nobody_older_and_brings_its_share_of_births(self):
        # Women who complete 30 this year were 29 at its beginning.
        rates = rates_of(fertility=at(_29=0.1, _30=0.2), mortality=at(_0=0.02))
        end = rest_of_year(Year(at(_30=1000.0, _0=50.0), at(_40=10.0)), rates, share=0.25)
        assert (end.female[30], end.male[40]) == pytest.approx((1000, 10))
        assert end.births == pytest.approx(150 / 4)
        assert end.female[0] == pytest.approx(50 * (0.98 / 0.982) ** 0.25 + 75 / 4 * 0.982)

    @given(now=PEOPLE, rates=RATES)
    def test_a_year_that_is_over_brings_nothing(self, now, rates):
        end = rest_of_year(now, rates, share=0.0)
        assert (end.births, end.migrants) == (0, 0)
        assert end.deaths == pytest.approx(0, abs=1e-6 * (1 + now.total))


class TestInTens:
    @given(parts=st.lists(st.floats(0, 1e7), max_size=50))
    def test_the_parts_add_up_and_are_near(self, parts):
        found = parts_in_tens(parts)
        assert sum(found) == in_tens(sum(parts))
        assert all(abs(shown - n) <= 10 for shown, n in zip(found, parts, strict=True))


class TestAssumptions:
    def test_they_are_what_their_readme_says(self):
        rates = assumptions(None)
        assert sum(rates.fertility) == pytest.approx(1.9, abs=0.01)
        for mortality, expected in ((rates.female_mortality, 79), (rates.male_mortality, 72)):
            alive, years = 1.0, 0.0
            for q in mortality:
                years += alive * (1 - q / 2)
                alive *= 1 - q
            # Who is 100 lives on by the same chance.
            years += alive * (1 / mortality[-1] - 0.5)
            assert years == pytest.approx(expected, abs=0.6)

    def test_a_country_below_replacement_grows_old(self):
        flat = tuple([1000.0] * 80 + [100.0] * (OLDEST - 79))
        last = forecast(Year(flat, flat), assumptions(None), 25)[-1]
        assert sum(last.female[:15]) < sum(flat[:15])
        assert sum(last.female[65:]) > sum(flat[65:])
