"""The main walk can be walked on one stack as often, and as long, as somebody likes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from ndx_demo import walk

PLAUSIBLE = 270
"""Days between two births of one mother, by the civil registry's duplicate rules."""


class Later(datetime):
    """A clock that is some days ahead."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        del tz
        return datetime.now(UTC) + cls.ahead


def test_births_of_one_mother_are_on_one_day_or_nine_months_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "datetime", Later)
    days: list[date] = []
    for run in range(40):
        Later.ahead = timedelta(days=run)
        days.append(walk.birthday(tmp_path / "births.json"))
    apart = {abs((one - other).days) for one in days for other in days}
    assert all(gap == 0 or gap >= PLAUSIBLE for gap in apart)
    assert max(days) <= datetime.now(UTC).date()
