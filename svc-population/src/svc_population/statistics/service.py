"""Use cases of statistics: counts of a day, in the units of a day; fold; compare with a recount."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.ids import new_id
from ndx_contracts.population import Sex
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.admin_units.succession import Period, units_in_time
from svc_population.persons.service import PROVINCES_OF_TODAY_FROM
from svc_population.settings import settings_of
from svc_population.statistics import repository
from svc_population.statistics.errors import StatisticsDayInvalid
from svc_population.statistics.places import Level, Place, Places, above, places
from svc_population.statistics.rounding import Bounds, Told, age_group, bounds_on, exact, rounding
from svc_population.statistics.schemas import (
    CellOut,
    Movement,
    MovementOut,
    PopulationCountsOut,
    PopulationMovementsOut,
    UnitCountOut,
    UnitMovementsOut,
)

ENTITY = "population-counts"
_A_RUN = 50_000
Cells = dict[tuple[str, int], int]
"""Numbers by sex and first year of an age group."""
Happened = dict[tuple[Movement, Sex], int]
_ACROSS: dict[Level, tuple[str, ...]] = {
    "COUNTRY": ("",),
    "PROVINCE": ("", "PROVINCE"),
    "DISTRICT": ("", "PROVINCE"),
    "COMMUNE": ("", "PROVINCE", "COMMUNE"),
}
"""Which moves are moves from one unit of a level to another; there are no districts any more."""


def _told(runtime: Runtime) -> Told:
    # The base is today's for every day: two bases would be two views of one number.
    base = bounds_on(today()).least_count
    return rounding(settings_of(runtime).personal_id_key_file, base=base)


async def population_counts(
    session: AsyncSession,
    runtime: Runtime,
    *,
    level: Level,
    province_code: str | None,
    on: date | None,
    units_on: date | None,
) -> PopulationCountsOut:
    """Return living people by unit, sex and age group, as they may be told to anybody.

    Raises:
        StatisticsDayInvalid: in the future, or before counting began.
        PersonalIdKeyMissing: the secret of the rounding cannot be read.
    """
    return await _counts(
        session,
        _told(runtime),
        level=level,
        province_code=province_code,
        on=on,
        units_on=units_on,
        least_count=bounds_on(today()).least_count,
    )


async def exact_population_counts(
    session: AsyncSession,
    operator: Operator,
    *,
    level: Level,
    province_code: str | None,
    on: date | None,
    units_on: date | None,
) -> PopulationCountsOut:
    """Return the counts as they are, and write down which operator read them.

    Raises:
        StatisticsDayInvalid: in the future, or before counting began.
    """
    found = await _counts(
        session,
        exact,
        level=level,
        province_code=province_code,
        on=on,
        units_on=units_on,
        least_count=None,
    )
    await record_audit(
        session,
        operator,
        action="exact_population_counts_read",
        entity_type=ENTITY,
        entity_id=new_id(),
        details={
            "level": level,
            "province_code": province_code,
            "on": found.on.isoformat(),
            "units_on": found.units_on.isoformat(),
        },
    )
    return found


async def _counts(
    session: AsyncSession,
    told: Told,
    *,
    level: Level,
    province_code: str | None,
    on: date | None,
    units_on: date | None,
    least_count: int | None,
) -> PopulationCountsOut:
    day, units = on or today(), units_on or today()
    first = await repository.first_day(session)
    if day > today() or (first is not None and day < first):
        raise StatisticsDayInvalid("" if first is None else f"Counting began on {first}.")
    bounds = bounds_on(day)
    known = places(level, here=_list_of_rows(), to=units)
    provinces = places("PROVINCE", here=_list_of_rows(), to=units)
    found: dict[Period | None, Cells] = defaultdict(lambda: defaultdict(int))
    lost = 0
    for row in await repository.counts(session, day=day, communes=None):
        # What is told of the smallest cell is all that anything from here on depends on.
        n = told(row.commune_code, row.sex, row.birth_year, row.n)
        place = known.place(row.commune_code)
        if not n:
            continue
        if not place.sure:
            lost += n * _may_lie_within(provinces.place(row.commune_code), province_code)
        elif province_code is None or _within(place, province_code, units):
            found[place.unit][row.sex, age_group(row.birth_year, day.year, bounds)] += n
    return PopulationCountsOut(
        on=day,
        units_on=units,
        level=level,
        least_count=least_count,
        items=tuple(
            _unit(level, unit, cells, bounds, known) for unit, cells in sorted(found.items(), key=_code)
        ),
        not_attributable=lost,
    )


async def exact_population_movements(
    session: AsyncSession,
    operator: Operator,
    *,
    level: Level,
    province_code: str | None,
    since: date,
    until: date | None,
) -> PopulationMovementsOut:
    """Return what was recorded on some days, and write down which operator read it.

    Nobody else is told: rounded births would be a second view of the rounded number of the newly born, and
    two views of one number tell more than each of them (ADR 34).

    Raises:
        StatisticsDayInvalid: the last day is in the future, or before the first.
    """
    last = until or today()
    if not since <= last <= today():
        raise StatisticsDayInvalid("The days are in order, and none is in the future.")
    known = places(level, here=_list_of_rows(), to=today())
    provinces = places("PROVINCE", here=_list_of_rows(), to=today())
    found: dict[Period | None, Happened] = defaultdict(lambda: defaultdict(int))
    lost = 0
    for row in await repository.movements(session, since=since, until=last, across=_ACROSS[level]):
        place = known.place(row.commune_code)
        if not place.sure:
            lost += abs(row.n) * _may_lie_within(provinces.place(row.commune_code), province_code)
        elif province_code is None or _within(place, province_code, today()):
            found[place.unit][Movement(row.kind), Sex(row.sex)] += row.n
    await record_audit(
        session,
        operator,
        action="exact_population_movements_read",
        entity_type=ENTITY,
        entity_id=new_id(),
        details={
            "level": level,
            "province_code": province_code,
            "since": since.isoformat(),
            "until": last.isoformat(),
        },
    )
    return PopulationMovementsOut(
        since=since,
        until=last,
        level=level,
        items=tuple(
            UnitMovementsOut(
                code=None if unit is None else unit.code,
                name=_name(level, unit),
                complete=unit not in known.partial,
                cells=tuple(
                    MovementOut(kind=kind, sex=sex, count=n) for (kind, sex), n in sorted(cells.items())
                ),
            )
            for unit, cells in sorted(found.items(), key=_code)
        ),
        not_attributable=lost,
    )


def _code(pair: tuple[Period | None, object]) -> str:
    return "" if pair[0] is None else pair[0].code


def _name(level: Level, unit: Period | None) -> str | None:
    if level == "COUNTRY":
        return "Việt Nam"
    return None if unit is None else unit.full_name


def _list_of_rows() -> date:
    """Return the day of the list of communes whose codes stand on persons' rows: that since July 2025."""
    return max(today(), PROVINCES_OF_TODAY_FROM)


def _within(place: Place, province_code: str, day: date) -> bool:
    if place.unit is None:
        return False
    province = above(units_in_time(), place.unit, "PROVINCE", day)
    return province is not None and province.code == province_code


def _may_lie_within(province: Place, province_code: str | None) -> bool:
    """Tell whether people may be of the asked province: those of an unknown one may be of any."""
    return (
        province_code is None
        or not province.sure
        or province.unit is None
        or (province.unit.code == province_code)
    )


def _unit(level: Level, unit: Period | None, cells: Cells, bounds: Bounds, known: Places) -> UnitCountOut:
    return UnitCountOut(
        code=None if unit is None else unit.code,
        name=_name(level, unit),
        complete=unit not in known.partial,
        total=sum(cells.values()),
        cells=tuple(
            CellOut(
                sex=Sex(sex),
                age_from=age,
                age_to=None if age >= bounds.oldest_group else age + bounds.age_group_years - 1,
                count=count,
            )
            for (sex, age), count in sorted(cells.items())
        ),
    )


async def by_sex_and_age(
    session: AsyncSession, runtime: Runtime, *, province_code: str | None
) -> dict[tuple[str, int], int]:
    """Return today's numbers by sex and age reached this year, rounded as everything that is told is.

    Raises:
        PersonalIdKeyMissing: the secret of the rounding cannot be read.
    """
    day, told = today(), _told(runtime)
    known = places("PROVINCE", here=_list_of_rows(), to=day)
    found: dict[tuple[str, int], int] = defaultdict(int)
    for row in await repository.counts(session, day=day, communes=None):
        if province_code is None or _within(known.place(row.commune_code), province_code, day):
            n = told(row.commune_code, row.sex, row.birth_year, row.n)
            if n:
                found[row.sex, max(0, day.year - row.birth_year)] += n
    return found


async def differences(session: AsyncSession) -> list[tuple[str, str, int]]:
    """Compare the kept counts with a recount of the persons' rows; return where they differ."""

    def keyed(rows: Iterable[object]) -> dict[tuple[str, str, int], int]:
        return {(r.commune_code, r.sex, r.birth_year): r.n for r in rows}  # type: ignore[attr-defined]  # rows have no type

    kept = keyed(await repository.counts(session, day=today(), communes=None))
    real = keyed(await repository.recount(session))
    return sorted(key for key in kept.keys() | real.keys() if kept.get(key) != real.get(key))


async def fold(runtime: Runtime) -> int:
    """Fold deltas into the counts, so many a transaction, until few are left; return how many.

    A bulk load leaves millions, and until they are folded every count has to add them up.
    """
    folded = 0
    for fold_some in (repository.fold, repository.fold_movements):
        moved = _A_RUN
        while moved == _A_RUN:
            async with runtime.sessions() as session, session.begin():
                moved = await fold_some(session, limit=_A_RUN)
            folded += moved
    return folded
