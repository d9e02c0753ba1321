"""What is told of numbers: multiples of the base, each for several numbers, right on the average."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from svc_population.statistics.rounding import Rounding, n_told

BASE = 5
SECRETS = st.binary(min_size=16, max_size=32)


class TestToldNumbers:
    @given(n=st.integers(1, 400), offset=st.integers(0, BASE - 1))
    def test_each_stands_for_several_numbers_even_for_who_knows_the_secret(self, n, offset):
        told = n_told(n, offset=offset, base=BASE)
        assert told % BASE == 0
        assert abs(told - n) < BASE
        same = [m for m in range(n + BASE + 1) if n_told(m, offset=offset, base=BASE) == told]
        assert len(same) >= 2

    @given(n=st.integers(0, 400))
    def test_over_all_offsets_they_are_the_number(self, n):
        assert sum(n_told(n, offset=o, base=BASE) for o in range(BASE)) == BASE * n

    def test_nobody_is_told_as_nobody(self):
        assert {n_told(0, offset=o, base=BASE) for o in range(BASE)} == {0}


class TestOffsets:
    @given(secret=SECRETS, year=st.integers(1900, 2030))
    def test_neighbouring_years_of_a_block_have_each_offset_once(self, secret, year):
        rounding = Rounding(secret, base=BASE)
        first = year - year % BASE
        offsets = [rounding.offset("26740", "MALE", y) for y in range(first, first + BASE)]
        assert sorted(offsets) == list(range(BASE))
        # Another process rounds alike.
        again = Rounding(secret, base=BASE)
        assert [again.offset("26740", "MALE", y) for y in range(first, first + BASE)] == offsets

    def test_they_are_spread_evenly_and_differ_with_the_secret(self):
        one, other = Rounding(b"1" * 16, base=BASE), Rounding(b"2" * 16, base=BASE)
        cells = [(f"{c:05}", sex, 1990) for c in range(2000) for sex in ("MALE", "FEMALE")]
        counted = Counter(one.offset(*cell) for cell in cells)
        assert len(counted) == BASE
        assert min(counted.values()) > 600
        assert [one.offset(*cell) for cell in cells] != [other.offset(*cell) for cell in cells]
