"""Use cases: exact indicators of units at this moment, and where people are who break a rule."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from ndx_chassis.agreements import Grant
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.admin_units.succession import units_in_time
from svc_population.quality import repository
from svc_population.quality.conditions import Generation
from svc_population.quality.generations import of_one_generation, rule_of
from svc_population.quality.rules import Rule, agencies_of
from svc_population.quality.schemas import (
    DimensionIndicatorOut,
    QualityIndicatorsOut,
    RuleIndicatorOut,
    UnitIndicatorsOut,
)
from svc_population.quality.vocabulary import Dimension

Level = Literal["COUNTRY", "PROVINCE", "COMMUNE"]


async def of_units(
    session: AsyncSession,
    *,
    grant: Grant,
    level: Level,
    province_code: str | None,
    commune_code: str | None,
    dimension: Dimension | None,
    agency: str | None,
) -> QualityIndicatorsOut:
    """Return exact indicators of the units within the agreement's area, at this moment.

    `agency`: only rules about what this agency is a source of.

    Raises:
        QualityNotCounted: nobody was counted yet.
        OutsideAdminScope: the asked unit lies outside the agreement's area.
    """
    provinces, communes = _asked(grant, province_code, commune_code)
    day = today()

    async def read(generation: Generation) -> Sequence[Row[Any]]:
        return await repository.indicators(
            session, generation, level=level, day=day, provinces=provinces, communes=communes
        )

    (kept, generation, again), rows = await of_one_generation(session, read)
    shown = [
        (n, rule)
        for n, rule in enumerate(generation.rules)
        if (dimension is None or rule.dimension is dimension)
        and (agency is None or agency in agencies_of(rule, day))
    ]
    wanted = [d for d in Dimension if dimension in {None, d}]
    units: dict[str, list[Any]] = {}
    for row in rows:
        units.setdefault(row.unit, []).append(row)
    return QualityIndicatorsOut(
        level=level,
        on=day,
        units_on=kept.units_on,
        recounting=again,
        items=tuple(_unit(level, code, found, shown, wanted) for code, found in units.items()),
    )


async def everywhere(session: AsyncSession, *, level: Level) -> tuple[int, tuple[UnitIndicatorsOut, ...]]:
    """Return the generation and the exact indicators of all units of a level, for what is kept of them.

    Raises:
        QualityNotCounted: nobody was counted yet.
    """

    async def read(generation: Generation) -> Sequence[Row[Any]]:
        return await repository.indicators(
            session, generation, level=level, day=today(), provinces=None, communes=None
        )

    (_, generation, _), rows = await of_one_generation(session, read)
    units: dict[str, list[Any]] = {}
    for row in rows:
        units.setdefault(row.unit, []).append(row)
    shown = list(enumerate(generation.rules))
    return generation.number, tuple(
        _unit(level, code, found, shown, list(Dimension)) for code, found in units.items()
    )


async def communes_with_faults(
    session: AsyncSession, rule_code: str, *, province_code: str | None
) -> dict[str, int]:
    """Return how many people break a rule by commune, where any do; '' is nowhere.

    Raises:
        QualityNotCounted, QualityRuleUnknown: as `counted_rule`.
    """
    provinces = None if province_code is None else [province_code]

    async def read(generation: Generation) -> Sequence[Row[Any]]:
        return await repository.indicators(
            session,
            generation,
            level="COMMUNE",
            day=today(),
            provinces=provinces,
            communes=None if provinces is None else [],
        )

    (_, generation, _), rows = await of_one_generation(session, read)
    place = generation.rules.index(rule_of(generation, rule_code))
    found: dict[str, int] = {}
    for row in rows:
        if row.by_rule[place]:
            found[row.unit] = found.get(row.unit, 0) + row.by_rule[place]
    return found


def name_of(level: Level, code: str) -> str | None:
    """Return a unit's name, of a former list if today's has it not."""
    return _named(level, code)[0]


def _asked(
    grant: Grant, province_code: str | None, commune_code: str | None
) -> tuple[list[str] | None, list[str] | None]:
    """Return the provinces and communes to count; None and None: everywhere."""
    if commune_code is not None:
        province = units_in_time().province_of(commune_code, today())
        grant.require_scope(None if province is None else province.code, commune_code)
        return None, [commune_code]
    scope = grant.agreement.admin_scope
    if province_code is not None:
        if grant.covers(province_code, None):
            return [province_code], None
        # Of a province that is not covered whole, the communes that are.
        within = [c for c in scope.communes if _lies_in(c, province_code)]
        if not within:
            grant.require_scope(province_code, None)
        return None, within
    if not scope.provinces and not scope.communes:
        return None, None
    return list(scope.provinces), list(scope.communes)


def _lies_in(commune_code: str, province_code: str) -> bool:
    province = units_in_time().province_of(commune_code, today())
    return province is not None and province.code == province_code


def _unit(
    level: Level, code: str, rows: Sequence[Any], shown: Iterable[tuple[int, Rule]], wanted: list[Dimension]
) -> UnitIndicatorsOut:
    living = sum(r.persons for r in rows if r.living)
    everybody = sum(r.persons for r in rows)
    name, current = _named(level, code)
    faultless = {
        d: sum(r.faultless[n] or 0 for r in rows if r.living) for n, d in enumerate(Dimension) if d in wanted
    }
    return UnitIndicatorsOut(
        code=code or None,
        name=name,
        current=current,
        persons=everybody,
        living=living,
        dimensions=tuple(
            DimensionIndicatorOut(
                dimension=d, checked=living, faultless=faultless[d], percent=percent(faultless[d], living)
            )
            for d in wanted
        ),
        rules=tuple(_indicator(n, rule, rows) for n, rule in shown),
    )


def _indicator(place: int, rule: Rule, rows: Sequence[Any]) -> RuleIndicatorOut:
    checked = sum(r.persons for r in rows if rule.concerns(living=r.living))
    broken = sum(r.by_rule[place] or 0 for r in rows)
    return RuleIndicatorOut(
        rule=rule.code,
        dimension=rule.dimension,
        field_group=rule.named_group,
        checked=checked,
        broken=broken,
        percent=percent(checked - broken, checked),
    )


def percent(part: int, whole: int) -> float | None:
    """Return a share with two decimals, cut and not rounded: 100 means that nobody is left."""
    return None if whole == 0 else part * 10_000 // whole / 100


def _named(level: Level, code: str) -> tuple[str | None, bool]:
    """Return a unit's name and whether today's list has it; one of a former list by its last name there."""
    if level == "COUNTRY":
        return "Việt Nam", True
    unit = units_in_time().unit(level, code, today())
    if unit is not None:
        return unit.full_name, True
    former = units_in_time().periods.get((level, code), [])
    return (max(former, key=lambda p: p.valid_from).full_name if former else None), False
