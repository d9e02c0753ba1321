"""Use cases of statistics: counts of a day, in the units of a day; fold; compare with a recount."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Literal

from ndx_chassis.app import Runtime
from ndx_contracts.population import Sex
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.admin_units.succession import Period, UnitsInTime, units_in_time
from svc_population.persons.service import PROVINCES_OF_TODAY_FROM
from svc_population.statistics import repository
from svc_population.statistics.errors import StatisticsDayInvalid
from svc_population.statistics.schemas import CellOut, PopulationCountsOut, UnitCountOut
from svc_population.statistics.suppression import Bounds, age_group, bounds_on, published

Level = Literal["COUNTRY", "PROVINCE", "COMMUNE"]
_A_RUN = 50_000
Cells = dict[tuple[str, int], int]
"""Numbers by sex and first year of an age group."""


async def population_counts(
    session: AsyncSession, *, level: Level, province_code: str | None, on: date | None, units_on: date | None
) -> PopulationCountsOut:
    """Return living people by unit, sex and age group; small counts are left out.

    Raises:
        StatisticsDayInvalid: in the future, or before counting began.
    """
    day, units = on or today(), units_on or today()
    first = await repository.first_day(session)
    if day > today() or (first is not None and day < first):
        raise StatisticsDayInvalid("" if first is None else f"Counting began on {first}.")
    bounds = bounds_on(day)
    lists = units_in_time()
    rows = await repository.counts(session, day=day, communes=None)
    found: dict[Period | None, Cells] = defaultdict(lambda: defaultdict(int))
    lost = 0
    places: dict[str, tuple[Period | None, bool]] = {}
    for row in rows:
        if row.commune_code not in places:
            places[row.commune_code] = _place(lists, row.commune_code, level, units)
        unit, sure = places[row.commune_code]
        if not sure:
            lost += row.n
        elif province_code is None or _within(lists, unit, province_code, units):
            found[unit][row.sex, age_group(row.birth_year, day.year, bounds)] += row.n
    items = [
        _unit(level, unit, cells, bounds)
        for unit, cells in sorted(found.items(), key=lambda pair: "" if pair[0] is None else pair[0].code)
    ]
    hidden_loss = 0 < lost < bounds.least_count
    return PopulationCountsOut(
        on=day,
        units_on=units,
        level=level,
        least_count=bounds.least_count,
        items=tuple(items),
        not_attributable=None if hidden_loss else lost,
    )


def _place(lists: UnitsInTime, code: str, level: Level, to: date) -> tuple[Period | None, bool]:
    """Return the unit of a level in which a commune of today lies on a day, and whether that is known."""
    if not code or level == "COUNTRY":
        return None, True
    # Codes on persons' rows are those of the list since July 2025, also for people who moved before.
    here = max(today(), PROVINCES_OF_TODAY_FROM)
    moved = lists.translate("COMMUNE", code, on=here, to=to)
    if moved is None:
        return None, False
    if level == "COMMUNE":
        return moved.sure, moved.sure is not None
    provinces = {lists.province_of(r.unit.code, to) for r in moved.units}
    # A commune that was made of several may still have come out of one province only.
    if len(provinces) == 1:
        (province,) = provinces
        return province, province is not None
    return None, False


def _within(lists: UnitsInTime, unit: Period | None, province_code: str, day: date) -> bool:
    if unit is None:
        return False
    province = unit if unit.level == "PROVINCE" else lists.province_of(unit.code, day)
    return province is not None and province.code == province_code


def _unit(level: Level, unit: Period | None, cells: Cells, bounds: Bounds) -> UnitCountOut:
    total = sum(cells.values())
    shown = published(cells, least=bounds.least_count)
    name = "Việt Nam" if level == "COUNTRY" else None
    return UnitCountOut(
        code=None if unit is None else unit.code,
        name=name if unit is None else unit.full_name,
        total=None if 0 < total < bounds.least_count else total,
        cells=tuple(
            CellOut(
                sex=Sex(sex),
                age_from=age,
                age_to=None if age >= bounds.oldest_group else age + bounds.age_group_years - 1,
                count=count,
            )
            for (sex, age), count in sorted(shown.items())
        ),
    )


async def by_sex_and_age(session: AsyncSession, *, province_code: str | None) -> dict[tuple[str, int], int]:
    """Return today's exact numbers by sex and age reached this year, for what is made of them inside."""
    day, lists = today(), units_in_time()
    found: dict[tuple[str, int], int] = defaultdict(int)
    for row in await repository.counts(session, day=day, communes=None):
        unit = lists.unit("COMMUNE", row.commune_code, day)
        if province_code is None or _within(lists, unit, province_code, day):
            found[row.sex, max(0, day.year - row.birth_year)] += row.n
    return found


async def differences(session: AsyncSession) -> list[tuple[str, str, int]]:
    """Compare the kept counts with a recount of the persons' rows; return where they differ."""

    def keyed(rows: Iterable[object]) -> dict[tuple[str, str, int], int]:
        return {(r.commune_code, r.sex, r.birth_year): r.n for r in rows}  # type: ignore[attr-defined]  # rows have no type

    kept = keyed(await repository.counts(session, day=today(), communes=None))
    real = keyed(await repository.recount(session))
    return sorted(key for key in kept.keys() | real.keys() if kept.get(key) != real.get(key))


async def fold(runtime: Runtime) -> int:
    """Fold deltas into the counts; return how many."""
    async with runtime.sessions() as session, session.begin():
        return await repository.fold(session, limit=_A_RUN)
