"""Use cases of quality over time: keep today's indicators, return those of a unit by day."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.errors import FieldError, InvalidInput
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.admin_units.succession import units_in_time
from svc_population.quality import indicators
from svc_population.quality.errors import QualityNotCounted
from svc_population.quality.vocabulary import Dimension
from svc_population.quality_days import repository
from svc_population.quality_days.models import QualityDay
from svc_population.quality_days.schemas import QualityPointOut, QualitySeriesOut

USUAL_DAYS = 90
MOST_DAYS = 1100
"""Three years of days: a chart shows no more points."""
_LEVELS: tuple[indicators.Level, ...] = ("COUNTRY", "PROVINCE", "COMMUNE")


async def keep_today(runtime: Runtime) -> int:
    """Write today's indicators of every unit down; return of how many units."""
    day, kept = today(), 0
    for level in _LEVELS:
        async with runtime.sessions() as session, session.begin():
            try:
                generation, units = await indicators.everywhere(session, level=level)
            except QualityNotCounted:
                return 0
            rows = [
                {
                    "level": level,
                    "code": unit.code or "",
                    "day": day,
                    "generation": generation,
                    "persons": unit.persons,
                    "living": unit.living,
                    "faultless": {d.dimension.value: d.faultless for d in unit.dimensions},
                    "rules": {r.rule: [r.checked, r.broken] for r in unit.rules},
                }
                for unit in units
            ]
            await repository.keep(session, rows)
            kept += len(rows)
    return kept


async def series(
    session: AsyncSession,
    *,
    grant: Grant,
    province_code: str | None,
    commune_code: str | None,
    dimension: Dimension | None,
    rule: str | None,
    since: date | None,
    until: date | None,
) -> QualitySeriesOut:
    """Return how indicators of the country, a province or a commune moved.

    Without `dimension` and `rule`: all dimensions.

    Raises:
        OutsideAdminScope: the unit is not whole within the agreement's area.
        InvalidInput: the days are in the wrong order, or too many.
    """
    level: indicators.Level = "COMMUNE" if commune_code else "PROVINCE" if province_code else "COUNTRY"
    if commune_code is not None:
        province = units_in_time().province_of(commune_code, today())
        grant.require_scope(None if province is None else province.code, commune_code)
    else:
        grant.require_scope(province_code, None)
    last = until or today()
    first = since or last - min(timedelta(days=USUAL_DAYS - 1), last - date.min)
    if not 0 <= (last - first).days < MOST_DAYS:
        wrong = FieldError(field="query.since", code="invalid", detail=f"1 to {MOST_DAYS} days until `until`")
        raise InvalidInput(errors=[wrong])
    code = commune_code or province_code or ""
    found = await repository.days(session, level=level, code=code, since=first, until=last)
    return QualitySeriesOut(
        level=level,
        code=code or None,
        name=indicators.name_of(level, code),
        since=first,
        until=last,
        items=tuple(point for kept in found for point in _points(kept, dimension, rule)),
    )


def _points(kept: QualityDay, dimension: Dimension | None, rule: str | None) -> Iterator[QualityPointOut]:
    if rule is not None:
        # A rule that was not in force on the day has no point.
        if rule in kept.rules:
            checked, broken = kept.rules[rule]
            yield _point(kept, rule, checked, checked - broken)
        return
    for one in Dimension if dimension is None else (dimension,):
        yield _point(kept, one.value, kept.living, kept.faultless[one.value])


def _point(kept: QualityDay, indicator: str, checked: int, faultless: int) -> QualityPointOut:
    values: dict[str, Any] = {"day": kept.day, "generation": kept.generation, "kept_at": kept.kept_at}
    return QualityPointOut(
        indicator=indicator,
        checked=checked,
        faultless=faultless,
        percent=indicators.percent(faultless, checked),
        **values,
    )
