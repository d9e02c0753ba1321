"""Months and the dated rule of children."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_tax_link.dependants.months import child_rule, month_after, month_of, read_month, written

days = st.dates(date(1900, 1, 1), date(2150, 1, 1))


class TestMonths:
    @given(days)
    def test_what_is_written_is_read_again(self, day: date) -> None:
        assert read_month(written(month_of(day))) == month_of(day)

    @given(days)
    def test_the_month_after_starts_right_after_the_last_day(self, day: date) -> None:
        following = month_after(month_of(day))
        assert following.day == 1
        assert month_of(following - timedelta(days=1)) == month_of(day)

    def test_there_is_no_thirteenth_month(self) -> None:
        with pytest.raises(ValueError, match="month"):
            read_month("2026-13")


class TestChildRule:
    def test_a_child_counts_up_to_the_month_of_full_age(self) -> None:
        rule = child_rule(date(2026, 11, 24))
        assert rule is not None
        assert rule.last_month(date(2026, 11, 20)) == date(2044, 11, 1)
        assert rule.last_month(date(2024, 2, 29)) == date(2042, 2, 1)

    def test_before_the_rule_there_is_none(self) -> None:
        assert child_rule(date(2012, 1, 1)) is None
