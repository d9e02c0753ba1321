"""Birth dates are compared as records hold them: partly known, by convention, or swapped."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.matching.birth_dates import DateAgreement, DateUnclear, PartialDate

days = st.dates(date(1880, 1, 1), date(2090, 12, 31))


class TestPartialDate:
    @pytest.mark.parametrize(
        ("stated", "stored", "how"),
        [
            ("1990-05-17", date(1990, 5, 17), DateAgreement.EXACT),
            ("1990-05", date(1990, 5, 17), DateAgreement.PARTIAL),
            ("1990", date(1990, 5, 17), DateAgreement.PARTIAL),
            ("1990-05-17", date(1990, 1, 1), DateAgreement.PARTIAL),
            ("1990-01-01", date(1990, 5, 17), DateAgreement.PARTIAL),
            ("1990-01-01", date(1990, 1, 1), DateAgreement.EXACT),
            ("1990-05-07", date(1990, 7, 5), DateAgreement.SWAPPED),
            ("1990-05-17", date(1991, 5, 17), DateAgreement.NEAR_YEAR),
            ("1990-05-17", date(1990, 5, 18), DateAgreement.DIFFERENT),
            ("1990-05", date(1990, 6, 17), DateAgreement.DIFFERENT),
            ("1991", date(1990, 5, 17), DateAgreement.DIFFERENT),
        ],
    )
    def test_how_near_two_dates_are(self, stated, stored, how):
        assert PartialDate.parse(stated).agreement(stored) is how

    @given(days, days)
    def test_whoever_agrees_stands_in_the_spans_that_are_read(self, day, stored):
        stated = PartialDate(day.year, day.month, day.day)
        if stated.agreement(stored) >= DateAgreement.SWAPPED:
            assert any(first <= stored <= last for first, last in stated.near_spans())

    @given(days)
    def test_each_part_of_a_day_agrees_with_it(self, day):
        for text in (f"{day:%Y}", f"{day:%Y-%m}", f"{day:%Y-%m-%d}"):
            assert PartialDate.parse(text.zfill(4)).agreement(day) >= DateAgreement.PARTIAL

    @pytest.mark.parametrize(
        "text", ["1990-02-30", "1990-13", "90", "1800", "2400", "1990-5-1", "19900517", ""]
    )
    def test_what_is_no_date_is_refused(self, text):
        with pytest.raises(DateUnclear):
            PartialDate.parse(text)
