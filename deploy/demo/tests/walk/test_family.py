"""Who walks: another family each time, and never two births that a register would take for one."""

import json
from collections import defaultdict
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from ndx_demo.door import StepFailed
from ndx_demo.enrolment import Enrolment
from ndx_demo.loading import EDITION
from ndx_demo.population.cast import couples, elders
from ndx_demo.walk import Context, birth_of, family

PEOPLE = 1_000


def context(home: Path) -> Context:
    return Context("https://g", "https://c", "http://t/", home, Enrolment({}, {}, {}))


@pytest.fixture
def here(tmp_path: Path) -> Context:
    marked = {"people": PEOPLE, "seed": 1, "edition": EDITION}
    (tmp_path / "demo-population.json").write_text(json.dumps(marked))
    return context(tmp_path)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """A list that holds today; a test may put another day in its place."""
    today = [date(2026, 11, 29)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime(today[0].year, today[0].month, today[0].day, 12, tzinfo=tz)

    monkeypatch.setattr(family, "datetime", Clock)
    return today


def test_each_walk_has_another_couple_and_a_newborn(here: Context, clock: list[date]) -> None:
    first, second = family.choose(here), family.choose(here)
    assert first.couple != second.couple
    assert first.born == second.born == clock[0] - timedelta(days=1)
    assert first.child_name.startswith(first.couple.father.surname)


def test_another_stack_with_the_same_people_begins_with_the_same_couple(
    here: Context, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "demo-population.json").write_text((here.home / "demo-population.json").read_text())
    assert family.choose(here).couple == family.choose(context(other)).couple


def test_births_of_one_mother_lie_nine_months_apart_whenever_one_walks(
    here: Context, clock: list[date]
) -> None:
    births: dict[str, list[date]] = defaultdict(list)
    for _ in range(2 * len(list(couples(PEOPLE, seed=1)))):
        found = family.choose(here)
        births[found.couple.mother.personal_id].append(found.born)
        assert found.born < clock[0]
        clock[0] += timedelta(days=40)
    assert {len(days) for days in births.values()} == {2}
    assert all(abs((days[0] - days[1]).days) >= 300 for days in births.values())
    with pytest.raises(StepFailed, match="walked twice"):
        family.choose(here)


def test_each_death_is_another_persons(here: Context) -> None:
    old = len(list(elders(PEOPLE, seed=1)))
    assert len({family.choose_elder(here).personal_id for _ in range(old)}) == old > 1
    with pytest.raises(StepFailed, match="nobody old"):
        family.choose_elder(here)


def test_without_people_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="make demo"):
        family.choose(context(tmp_path))


def test_people_of_another_edition_are_not_looked_for(here: Context) -> None:
    (here.home / "demo-population.json").write_text('{"people": 1000, "seed": 1}')
    with pytest.raises(StepFailed, match="another edition"):
        family.choose(here)


def test_what_is_kept_about_people_is_for_the_owner_only(here: Context) -> None:
    family.choose(here)
    for name in ("demo-family.json", "demo-progress.json"):
        assert (here.home / name).stat().st_mode & 0o077 == 0


def test_a_declaration_leaves_out_who_is_not_known() -> None:
    body = birth_of(given="An", sex="MALE", born=date(2026, 1, 1), mother=("", "Hồ Thị Lan"), father=None)
    assert body["father"] is None
    assert body["mother"]["personal_id"] is None
    assert body["declarant"]["relation"] == "RELATIVE"
