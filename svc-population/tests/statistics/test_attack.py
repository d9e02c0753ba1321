"""Who asks for every table of every day finds out no small number and no small change."""

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from svc_population.admin_units.service import today
from svc_population.statistics import repository, service
from svc_population.statistics.places import Level
from svc_population.statistics.rounding import Rounding

LEAST = 5
DAYS = [today() - timedelta(days=n) for n in (400, 1, 0)]
# Two communes of one province, one of another, one made of several, and nowhere.
COMMUNES = ("26740", "26743", "00070", "25942", "")
CELL = st.tuples(
    st.sampled_from(COMMUNES), st.sampled_from(("MALE", "FEMALE")), st.sampled_from((1924, 1990, 1991, 2025))
)
# A number on each day: mostly small ones, which need the protection.
NUMBERS = st.lists(st.integers(0, 8), min_size=len(DAYS), max_size=len(DAYS))
WORLD = st.dictionaries(CELL, NUMBERS, min_size=1, max_size=6)
ROUNDING = Rounding(b"a secret for this test", base=LEAST)
NOBODY: Any = None
"""Session and runtime, which the stand-ins below do not use."""
World = dict[tuple[str, str, int], list[int]]


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[dict[str, World]]:
    """Let the counts be those of a world that a test sets."""
    held: dict[str, World] = {}

    async def counts(_session: Any, *, day: date, communes: Any) -> list[Any]:
        del communes
        return [
            SimpleNamespace(commune_code=c, sex=s, birth_year=y, n=n[DAYS.index(day)])
            for (c, s, y), n in held["world"].items()
            if n[DAYS.index(day)]
        ]

    async def first_day(_session: Any) -> date:
        return DAYS[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repository, "counts", counts)
        patch.setattr(repository, "first_day", first_day)
        patch.setattr(service, "_told", lambda _runtime: ROUNDING)
        yield held


async def everything() -> list[str]:
    """Ask for all tables: all levels, days, lists of units and provinces, and the base of forecasts."""
    tables = [
        (
            await service.population_counts(
                NOBODY,
                NOBODY,
                level=level,
                province_code=province,
                on=day,
                units_on=units,
            )
        ).model_dump_json()
        for level in get_args(Level)
        for province in (None, "79", "01", "74")
        for day in DAYS
        for units in (today(), date(2025, 6, 30))
    ]
    bases = [
        await service.by_sex_and_age(NOBODY, NOBODY, province_code=province) for province in (None, "79")
    ]
    return [*tables, *(str(sorted(base.items())) for base in bases)]


def others(cell: tuple[str, str, int], n: int) -> list[int]:
    """Return the other numbers for which the same is told."""
    return [m for m in range(n + LEAST) if m != n and ROUNDING(*cell, m) == ROUNDING(*cell, n)]


class TestAttacker:
    @settings(max_examples=15, deadline=None)
    @given(world=WORLD)
    def test_no_small_number_and_no_small_change_can_be_told_from_another(self, counted, world):
        counted["world"] = world
        seen = asyncio.run(everything())
        for cell, numbers in world.items():
            for place, n in enumerate(numbers):
                changed = place > 0 and 0 < abs(n - numbers[place - 1]) < LEAST
                if not (0 < n < LEAST or changed):
                    continue
                # Another world, in which this number (and so this change) is another one, looks the same.
                at, elsewhere = next(
                    (at, found)
                    for at in (place, place - 1)
                    if at >= 0 and (found := others(cell, numbers[at]))
                )
                now = list(numbers)
                now[at] = elsewhere[0]
                counted["world"] = {**world, cell: now}
                assert asyncio.run(everything()) == seen

    @settings(max_examples=15, deadline=None)
    @given(world=WORLD)
    def test_tables_add_up_so_that_no_two_answers_are_two_looks_at_one_number(self, counted, world):
        counted["world"] = world

        async def totals(level: Level, units: date) -> int:
            found = await service.population_counts(
                NOBODY,
                NOBODY,
                level=level,
                province_code=None,
                on=today(),
                units_on=units,
            )
            assert all(u.total == sum(c.count for c in u.cells) for u in found.items)
            assert all(c.count % LEAST == 0 and c.count > 0 for u in found.items for c in u.cells)
            return sum(u.total for u in found.items) + found.not_attributable

        async def compare() -> set[int]:
            days = (today(), date(2025, 6, 30))
            return {await totals(level, units) for level in get_args(Level) for units in days}

        assert len(asyncio.run(compare())) == 1
