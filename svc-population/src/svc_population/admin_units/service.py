"""Use cases of administrative units: lists of a day, and what a unit was and became."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ndx_chassis.agreements import VIETNAM
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import repository
from svc_population.admin_units.code_lists import BEFORE_RECORDS
from svc_population.admin_units.errors import AdminUnitNotFound
from svc_population.admin_units.models import AdminUnit
from svc_population.admin_units.schemas import (
    AdminUnitDetailOut,
    AdminUnitOut,
    AdminUnitsOut,
    PeriodOut,
    PredecessorsOut,
    SuccessorOut,
    SuccessorsOut,
    TranslatedUnitOut,
    TranslationIn,
    TranslationOut,
    TranslationsIn,
    TranslationsOut,
)
from svc_population.admin_units.succession import (
    Extent,
    Outcome,
    Related,
    Step,
    Translation,
    units_in_time,
)

PROVINCE, DISTRICT, COMMUNE = "PROVINCE", "DISTRICT", "COMMUNE"
# Units change by migrations only, so what was found for a day holds as long as this process lives.
_province_of: dict[tuple[str, date], str | None] = {}
_MOST_KEPT = 20_000


def today() -> date:
    """Return the day in Viet Nam."""
    return datetime.now(UTC).astimezone(VIETNAM).date()


def _out(unit: Any) -> AdminUnitOut:
    return AdminUnitOut(
        code=unit.code,
        name=unit.name,
        type=unit.type,
        full_name=unit.full_name,
        valid_from=None if unit.valid_from == BEFORE_RECORDS else unit.valid_from,
        valid_to=unit.valid_to,
    )


async def provinces(session: AsyncSession, *, day: date | None) -> AdminUnitsOut:
    """Return the provinces of a day, today when none is given."""
    found = await repository.units(session, level=PROVINCE, day=day or today())
    return AdminUnitsOut(items=tuple(_out(u) for u in found))


async def communes(session: AsyncSession, *, province_code: str, day: date | None) -> AdminUnitsOut:
    """Return the communes of a province on a day.

    Raises:
        AdminUnitNotFound: the province did not exist then.
    """
    on = day or today()
    if await repository.unit(session, level=PROVINCE, code=province_code, day=on) is None:
        raise AdminUnitNotFound
    found = await repository.communes_of(session, province_code=province_code, day=on)
    return AdminUnitsOut(items=tuple(_out(u) for u in found))


async def districts(session: AsyncSession, *, province_code: str, day: date | None) -> AdminUnitsOut:
    """Return the districts of a province on a day; since July 2025 an empty list.

    Raises:
        AdminUnitNotFound: the province did not exist then.
    """
    on = day or today()
    if await repository.unit(session, level=PROVINCE, code=province_code, day=on) is None:
        raise AdminUnitNotFound
    found = await repository.units(session, level=DISTRICT, day=on)
    return AdminUnitsOut(items=tuple(_out(u) for u in found if u.parent_code == province_code))


async def detail(session: AsyncSession, *, level: str, code: str, day: date | None) -> AdminUnitDetailOut:
    """Return a unit on a day, what lies above it, and every period of its code.

    Raises:
        AdminUnitNotFound: there was no such unit on this day.
    """
    on = day or today()
    periods = await repository.periods(session, level=level, code=code)
    unit = next((p for p in periods if p.valid_from <= on and (p.valid_to is None or on <= p.valid_to)), None)
    if unit is None:
        raise AdminUnitNotFound
    above = []
    higher = {COMMUNE: (DISTRICT, PROVINCE), DISTRICT: (PROVINCE,)}.get(level, ())
    parent_code = unit.parent_code
    for name in higher:
        found = await repository.unit(session, level=name, code=parent_code or "", day=on)
        if found is not None:
            above.append(_out(found))
            parent_code = found.parent_code
    return AdminUnitDetailOut(
        **_period(unit).model_dump(),
        above=tuple(above),
        periods=tuple(_period(p) for p in periods),
    )


def _period(unit: AdminUnit) -> PeriodOut:
    return PeriodOut.model_validate(
        {**_out(unit).model_dump(), "level": unit.level, "parent_code": unit.parent_code}
    )


def successors(*, level: str, code: str) -> SuccessorsOut:
    """Return the units that an old unit became.

    Raises:
        AdminUnitNotFound: no list ever had such a unit.
    """
    steps = units_in_time().forward.get((level, code), [])
    if not steps:
        return SuccessorsOut(outcome=_without_steps(level, code), items=())
    whole = sum(s.extent is Extent.WHOLE for s in steps)
    outcome = Outcome.ONE if whole == 1 else Outcome.SEVERAL
    return SuccessorsOut(outcome=outcome, items=tuple(_newer(s) for s in _defaults_first(steps)))


def predecessors(*, level: str, code: str) -> PredecessorsOut:
    """Return the old units that a unit was made of.

    Raises:
        AdminUnitNotFound: no list ever had such a unit.
    """
    steps = units_in_time().backward.get((level, code), [])
    if not steps:
        return PredecessorsOut(outcome=_without_steps(level, code), items=())
    peopled = sum(s.extent is not Extent.LAND for s in steps)
    outcome = Outcome.ONE if peopled == 1 else Outcome.SEVERAL
    return PredecessorsOut(outcome=outcome, items=tuple(_older(s) for s in _defaults_first(steps)))


def _without_steps(level: str, code: str) -> Outcome:
    """Tell a unit that never changed (in the lists) from one that ended without a known successor."""
    periods = units_in_time().periods.get((level, code))
    if not periods:
        raise AdminUnitNotFound
    ended = all(p.valid_to is not None for p in periods)
    begun = all(p.valid_from != BEFORE_RECORDS for p in periods)
    return Outcome.UNKNOWN if ended or begun else Outcome.UNCHANGED


def _defaults_first(steps: list[Step]) -> list[Step]:
    return sorted(steps, key=lambda s: (not s.is_default, s.new, s.old))


def _newer(step: Step) -> SuccessorOut:
    return _step(step, *step.new, day=step.effective_from)


def _older(step: Step) -> SuccessorOut:
    return _step(step, *step.old, day=step.effective_from - timedelta(days=1))


def _step(step: Step, level: str, code: str, *, day: date) -> SuccessorOut:
    unit = units_in_time().unit(level, code, day)
    return SuccessorOut.model_validate(
        {
            "level": level,
            "code": code,
            "full_name": "" if unit is None else unit.full_name,
            "relation": step.relation,
            "extent": step.extent,
            "is_default": step.is_default,
            "effective_from": step.effective_from,
        }
    )


def translate(level: str, code: str, *, on: date, to: date) -> Translation | None:
    """Return what a unit of one day is on another; None when the list of its day does not have it."""
    return units_in_time().translate(level, code, on=on, to=to)


@dataclass(frozen=True, slots=True)
class PlaceOn:
    """A commune of one day in the units of another; without codes where that is not sure."""

    outcome: Outcome
    province_code: str | None = None
    commune_code: str | None = None
    commune_name: str | None = None


def place_on(commune_code: str, *, on: date, to: date) -> PlaceOn:
    """Return where a commune of one day lies on another day."""
    found = translate(COMMUNE, commune_code, on=on, to=to)
    if found is None:
        return PlaceOn(Outcome.UNKNOWN)
    unit = found.sure
    if unit is None:
        return PlaceOn(found.outcome)
    province = units_in_time().province_of(unit.code, to)
    return PlaceOn(
        found.outcome,
        province_code=None if province is None else province.code,
        commune_code=unit.code,
        commune_name=unit.full_name,
    )


def translations(asked: TranslationsIn) -> TranslationsOut:
    """Answer many translations, in their order."""
    to = asked.to or today()
    return TranslationsOut(to=to, items=tuple(_translation(item, to) for item in asked.items))


def _translation(item: TranslationIn, to: date) -> TranslationOut:
    found = translate(item.level, item.code, on=item.on, to=to)
    return TranslationOut(
        level=item.level,
        code=item.code,
        on=item.on,
        outcome=Outcome.UNKNOWN if found is None else found.outcome,
        units=() if found is None else tuple(_translated(r) for r in found.units),
    )


def _translated(related: Related) -> TranslatedUnitOut:
    return TranslatedUnitOut.model_validate(
        {
            "level": related.unit.level,
            "code": related.unit.code,
            "full_name": related.unit.full_name,
            "relation": related.relation,
            "extent": related.extent,
            "is_default": related.is_default,
        }
    )


async def is_commune_of(session: AsyncSession, code: str, *, province_code: str, day: date) -> bool:
    """Tell whether a commune exists on a day and lies in the province (units since July 2025)."""
    found = _province_of.get((code, day))
    if found is None:
        unit = await repository.unit(session, level=COMMUNE, code=code, day=day)
        if unit is None:
            return False
        if len(_province_of) >= _MOST_KEPT:
            _province_of.clear()
        found = _province_of[code, day] = unit.parent_code
    return found == province_code
