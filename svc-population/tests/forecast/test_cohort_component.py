"""The method's accounts balance, whatever the population and the rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.forecast.assumptions import assumptions
from svc_population.forecast.cohort_component import OLDEST, Assumptions, Year, forecast, next_year

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


class TestAssumptions:
    def test_they_are_what_their_readme_says(self):
        rates = assumptions(None)
        assert sum(rates.fertility) == pytest.approx(1.9, abs=0.01)
        for mortality, expected in ((rates.female_mortality, 79), (rates.male_mortality, 72)):
            alive, years = 1.0, 0.0
            for q in mortality:
                years += alive * (1 - q / 2)
                alive *= 1 - q
            assert years == pytest.approx(expected, abs=0.6)

    def test_a_country_below_replacement_grows_old(self):
        flat = tuple([1000.0] * 80 + [100.0] * (OLDEST - 79))
        last = forecast(Year(flat, flat), assumptions(None), 25)[-1]
        assert sum(last.female[:15]) < sum(flat[:15])
        assert sum(last.female[65:]) > sum(flat[65:])
