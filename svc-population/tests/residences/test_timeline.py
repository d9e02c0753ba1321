"""A correction of some days of a residence changes these days and no other, however often it is done."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from svc_population.residences.timeline import Piece, Where, at, corrected

BORN, DAYS = date(2020, 1, 1), 14
PLACES = (None, Where("79", "26740", None), Where("01", "00070", "Số 1"), Where("01", "00070", "Số 2"))
corrections = st.lists(
    st.tuples(st.sampled_from(PLACES), st.integers(0, DAYS - 1), st.integers(0, DAYS - 1)), max_size=8
)


def day(number: int) -> date:
    return BORN + timedelta(days=number)


class TestCorrected:
    @given(corrections, st.booleans())
    def test_each_day_is_at_one_place_the_last_one_that_was_said(self, made, joined):
        pieces = [Piece(day(0), None, PLACES[1])]
        expected = [PLACES[1]] * (DAYS + 2)
        for where, one, other in made:
            first, last = sorted((one, other))
            pieces = corrected(pieces, where, first=day(first), last=day(last), joined=joined)
            expected[first : last + 1] = [where] * (last + 1 - first)
        found = [[p.where for p in pieces if p.covers(day(d))] for d in range(DAYS + 2)]
        assert found == [[] if where is None else [where] for where in expected]
        assert [p.last for p in pieces if p.last is None] == [None]
        if joined:
            for piece in pieces:
                before = at(pieces, piece.first - timedelta(days=1))
                assert before is None or before.where != piece.where
