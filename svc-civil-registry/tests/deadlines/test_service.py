"""Time limits follow the rule in force on the day of the declaration."""

from datetime import date, timedelta

import pytest
from svc_civil_registry.deadlines.service import deadline_for, is_late

DAY = date(2026, 11, 24)


class TestIsLate:
    @pytest.mark.parametrize(("procedure", "days"), [("BIRTH", 60), ("DEATH", 15)])
    def test_the_last_day_is_in_time(self, procedure: str, days: int) -> None:
        assert not is_late(procedure, occurred_on=DAY - timedelta(days=days), declared_on=DAY)
        assert is_late(procedure, occurred_on=DAY - timedelta(days=days + 1), declared_on=DAY)

    def test_before_the_law_there_is_no_limit(self) -> None:
        assert deadline_for("BIRTH", date(2015, 12, 31)) is None
        assert not is_late("BIRTH", occurred_on=date(1990, 1, 1), declared_on=date(2015, 12, 31))
