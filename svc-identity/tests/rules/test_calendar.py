"""Deadlines, ages and the convention for 29 February."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_identity.rules.calendar import CardState, after_working_days, birthday, rules


@pytest.mark.parametrize(
    ("card", "level", "due"),
    [
        (CardState.VALID, 1, date(2026, 11, 30)),
        (CardState.VALID, 2, date(2026, 12, 2)),
        (CardState.EXPIRED_OR_NONE, 2, date(2026, 12, 8)),
        (CardState.EXPIRED_OR_NONE, 1, None),
    ],
)
def test_deadlines_count_working_days_from_the_application(card, level, due):
    assert rules().due_on(card=card, level=level, received_on=date(2026, 11, 27)) == due


def test_before_the_decree_there_is_no_rule():
    assert rules().due_on(card=CardState.VALID, level=2, received_on=date(2024, 6, 30)) is None
    with pytest.raises(LookupError):
        rules().age("OWN_ACCOUNT_FROM", date(2024, 6, 30))


def test_someone_born_on_29_february_turns_on_1_march():
    assert birthday(date(2012, 2, 29), 14) == date(2026, 3, 1)
    assert birthday(date(2012, 2, 29), 16) == date(2028, 2, 29)


@given(st.dates(date(2024, 7, 1), date(2100, 1, 1)), st.integers(0, 30))
def test_a_deadline_never_falls_on_a_weekend_and_grows_with_days(start, days):
    due = after_working_days(start, days)
    if days:
        assert due.weekday() < 5
        assert due > after_working_days(start, days - 1)
