"""Whatever the counts are, no small one is published and none follows from the total."""

from hypothesis import given
from hypothesis import strategies as st
from svc_population.statistics.suppression import published

CELLS = st.dictionaries(st.integers(0, 30), st.integers(0, 40), max_size=12)


class TestPublished:
    @given(cells=CELLS, least=st.integers(2, 10))
    def test_no_small_count_is_shown_or_left_alone(self, cells, least):
        shown = published(cells, least=least)
        assert all(n is None or n == 0 or n >= least for n in shown.values())
        hidden = [key for key, n in shown.items() if n is None]
        small = [key for key, n in cells.items() if 0 < n < least]
        assert set(small) <= set(hidden)
        others = [key for key, n in cells.items() if n > 0 and key not in small]
        assert len(hidden) != 1 or not others
        assert all(shown[key] in {None, cells[key]} for key in cells)
