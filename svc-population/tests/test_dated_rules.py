"""Which entry of a slice's rules a day has: the newest that began, and the first one before all."""

import json
import sys
from dataclasses import dataclass
from datetime import date

import pytest
from svc_population.dated_rules import DatedRules


@dataclass(frozen=True)
class Limit:
    effective_from: date
    days: int


@pytest.fixture
def limits(tmp_path, monkeypatch) -> DatedRules[Limit]:
    folder = tmp_path / "made_up_limits"
    folder.mkdir()
    (folder / "__init__.py").touch()
    rules = [{"effective_from": day, "days": n} for day, n in (("2024-07-01", 2), ("2021-07-01", 1))]
    (folder / "rules.json").write_text(json.dumps({"source": "made up", "rules": rules}))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "made_up_limits", raising=False)
    return DatedRules("made_up_limits", Limit)


class TestOn:
    @pytest.mark.parametrize(
        ("day", "days"),
        [
            (date(2021, 7, 1), 1),
            (date(2024, 6, 30), 1),
            (date(2024, 7, 1), 2),
            (date(2030, 1, 1), 2),
        ],
    )
    def test_an_entry_holds_from_its_own_day_until_the_next_ones(self, limits, day, days):
        assert limits.on(day).days == days

    def test_before_all_entries_the_first_one_holds(self, limits):
        assert limits.on(date(1990, 1, 1)).days == 1
