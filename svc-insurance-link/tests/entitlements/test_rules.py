"""Under-6 intervals by the dated rules."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_insurance_link.entitlements.rules import add_months, child_under_6, child_under_6_rules

TODAY = date(2026, 11, 24)


class TestChildUnder6:
    @pytest.mark.parametrize(
        ("born", "last_day"),
        [
            (date(2020, 12, 24), date(2026, 12, 24)),
            (date(2021, 3, 1), date(2027, 9, 30)),
            (date(2021, 9, 30), date(2027, 9, 30)),
            (date(2021, 10, 1), date(2027, 10, 1)),
            (date(2024, 2, 29), date(2030, 9, 30)),
        ],
    )
    def test_cover_lasts_to_72_months_or_to_the_start_of_school(self, born: date, last_day: date) -> None:
        given_interval = child_under_6(born, on=TODAY)
        assert given_interval is not None
        assert (given_interval.valid_from, given_interval.valid_to) == (born, last_day)
        assert (given_interval.participant_group, given_interval.benefit_level) == ("TE", 1)

    def test_the_rule_of_the_day_is_taken(self) -> None:
        early = child_under_6(date(2009, 8, 1), on=date(2010, 1, 1))
        assert early is not None
        assert (early.rule, early.valid_to) == ("child-under-6/2009", date(2015, 8, 1))
        assert child_under_6(date(2001, 1, 1), on=date(2005, 1, 1)) is None

    def test_versions_follow_each_other_without_a_gap(self) -> None:
        versions = child_under_6_rules()
        for older, newer in pairwise(versions):
            assert older.in_force_to is not None
            assert newer.in_force_from == older.in_force_to + timedelta(days=1)
        assert versions[-1].in_force_to is None

    @given(st.dates(date(2015, 1, 1), date(2100, 1, 1)))
    def test_nobody_loses_a_day_of_the_first_72_months(self, born: date) -> None:
        given_interval = child_under_6(born, on=born)
        assert given_interval is not None
        assert given_interval.valid_to >= add_months(born, 72)
        assert given_interval.valid_to <= add_months(born, 81)
