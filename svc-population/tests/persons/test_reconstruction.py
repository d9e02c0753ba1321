"""Whatever was changed in whatever order, each moment and day get what was said about them then."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from svc_population.persons.reconstruction import as_of, steps

START = datetime(2026, 1, 1, tzinfo=UTC)
BORN = date(2000, 1, 1)


@dataclass
class Row:
    version: int
    changed: list[str]
    before: dict[str, Any]
    valid_from: date
    recorded_at: datetime


changes = st.lists(
    st.tuples(st.sampled_from(["religion", "phone"]), st.integers(0, 5), st.integers(0, 9000)), max_size=8
)


def written(made: list[tuple[str, int, int]]) -> tuple[dict[str, Any], list[Row]]:
    """Do what the service does: each change moves what was before into the history."""
    record: dict[str, Any] = {"religion": None, "phone": None, "version": 1}
    record["recorded_at"] = START.isoformat()
    rows = []
    for n, (column, value, day) in enumerate(made, 2):
        at = START + timedelta(days=n)
        before = {column: record[column], "recorded_at": record["recorded_at"], "source": "x"}
        rows.append(Row(n, [column], before, BORN + timedelta(days=day), at))
        record |= {column: value, "version": n, "recorded_at": at.isoformat()}
    return record, rows


class TestAsOf:
    @given(changes, st.integers(0, 9000), st.integers(0, 12))
    def test_the_last_word_known_then_about_that_day_counts(self, made, day, known):
        record, rows = written(made)
        valid_at, known_at = BORN + timedelta(days=day), START + timedelta(days=known)
        found = as_of(steps(record, rows), valid_at=valid_at, known_at=known_at)
        assert found is not None
        for column in ("religion", "phone"):
            said = [
                value
                for n, (name, value, since) in enumerate(made, 2)
                if name == column and n <= known and since <= day
            ]
            assert found[1][column] == (said[-1] if said else None)

    @given(changes)
    def test_today_is_the_record_itself(self, made):
        record, rows = written(made)
        found = as_of(steps(record, rows), valid_at=date(2100, 1, 1), known_at=START + timedelta(days=99))
        assert found is not None
        assert found[0] == record["version"]
        assert {c: found[1][c] for c in ("religion", "phone")} == {
            c: record[c] for c in ("religion", "phone")
        }

    def test_before_the_record_began_nothing_was_known(self):
        record, rows = written([("phone", 1, 5)])
        before = START - timedelta(seconds=1)
        assert as_of(steps(record, rows), valid_at=date(2026, 1, 1), known_at=before) is None
