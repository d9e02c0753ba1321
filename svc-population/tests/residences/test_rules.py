"""Dates of registrations: whatever comes in, what passes keeps the bounds of the law."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from svc_population.residences.rules import bounds_on, date_faults, later
from svc_population.residences.vocabulary import ResidenceKind

TODAY = date(2026, 11, 24)
DAYS = st.dates(date(1990, 1, 1), date(2035, 12, 31))


class TestDateFaults:
    @given(kind=st.sampled_from(ResidenceKind), begin=DAYS, end=st.none() | DAYS, born=DAYS)
    def test_what_passes_keeps_every_bound(self, kind, begin, end, born):
        if list(date_faults(kind, begin, end, born=born, today=TODAY)):
            return
        assert begin >= born
        if kind in {ResidenceKind.PERMANENT, ResidenceKind.CURRENT}:
            assert end is None
            assert begin <= TODAY
        if kind is ResidenceKind.TEMPORARY:
            assert end is not None
            assert begin <= TODAY <= end < later(begin, 24)
        if kind is ResidenceKind.STAY:
            assert end is not None
            assert (end - begin).days < bounds_on(begin).stay_longest_days
        assert end is None or begin <= end

    @given(day=DAYS, months=st.integers(1, 120))
    def test_later_is_so_many_months_later_on_the_same_day_or_the_months_last(self, day, months):
        found = later(day, months)
        assert (found.year - day.year) * 12 + found.month - day.month == months
        assert found.day == day.day or (found + timedelta(days=1)).day == 1
