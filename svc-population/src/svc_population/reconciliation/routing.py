"""Where a case is settled: in the units of today, whatever units its place was stated in.

Registers and old records name communes and provinces that ended, most of them on 30 June 2025. Where the
lists tell which one unit took all people of a commune, its officers settle the case; where they do not, the
officers of the province do, and the case says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from svc_population.admin_units.service import today
from svc_population.admin_units.succession import Key, units_in_time
from svc_population.persons import service as persons
from svc_population.reconciliation.models import ReconciliationCase
from svc_population.reconciliation.vocabulary import Routing


class Place(NamedTuple):
    """Codes of units of one day; None where that is not known."""

    province_code: str | None
    commune_code: str | None


def place_today(province_code: str | None, commune_code: str | None, *, day: date) -> Place:
    """Return where a place that was stated in units of any day lies on this day.

    A commune of the day counts as it is, so does its province; one that ended is followed from its last day.
    """
    if commune_code is not None:
        commune = _now(("COMMUNE", commune_code), day)
        if commune is not None:
            province = units_in_time().province_of(commune, day)
            return Place(province_code if province is None else province.code, commune)
        province_code = province_code or _former_province(commune_code)
    return Place(None if province_code is None else _now(("PROVINCE", province_code), day), None)


def commune_today(code: str) -> str | None:
    """Return the commune of today that is, or took over, a commune; None where no list tells."""
    return place_today(None, code, day=today()).commune_code


def place_of(person: Mapping[Any, Any]) -> Place:
    """Return where a person lives by the record: as `persons.place_of` does for a whole record."""
    lately = person["birth_date"] >= persons.PROVINCES_OF_TODAY_FROM
    return Place(
        person["permanent_province_code"] or (person["birth_registration_province_code"] if lately else None),
        person["permanent_commune_code"] or (person["birth_registration_commune_code"] if lately else None),
    )


def settled_at(person: Mapping[Any, Any]) -> Place:
    """Return where a person's cases are settled, in units of today."""
    return place_today(*place_of(person), day=today())


def routed(case: ReconciliationCase) -> tuple[Place, Routing]:
    """Return where a case is settled, in units of today, and whose officers do it."""
    place = place_today(case.province_code, case.commune_code, day=today())
    if place.commune_code is not None:
        return place, Routing.COMMUNE
    return place, Routing.COUNTRY if place.province_code is None else Routing.PROVINCE


def stated_as(provinces: Iterable[str], communes: Iterable[str], *, day: date) -> tuple[list[str], list[str]]:
    """Return the codes of these units of a day with those of former units that are all in one of them."""
    former = _former(day)
    wider = [
        sorted({*codes, *(old for code in codes for old in former.get((level, code), ()))})
        for level, codes in (("PROVINCE", set(provinces)), ("COMMUNE", set(communes)))
    ]
    return wider[0], wider[1]


def _now(key: Key, day: date) -> str | None:
    """Return the code of the unit that is or took over a unit of these lists; None when no one did."""
    lists = units_in_time()
    if lists.unit(*key, day) is not None:
        return key[1]
    ended = [p for p in lists.periods.get(key, ()) if p.valid_to is not None and p.valid_to < day]
    if not ended:
        return None
    last = max(p.valid_to for p in ended if p.valid_to is not None)
    moved = lists.translate(*key, on=last, to=day)
    unit = None if moved is None else moved.sure
    return None if unit is None else unit.code


def _former_province(commune_code: str) -> str | None:
    lists = units_in_time()
    for period in reversed(lists.periods.get(("COMMUNE", commune_code), [])):
        province = lists.province_of(commune_code, period.valid_to or period.valid_from)
        if province is not None:
            return province.code
    return None


@lru_cache(maxsize=2)
def _former(day: date) -> dict[Key, list[str]]:
    """Return the codes of ended units by the unit of the day that took them over."""
    lists = units_in_time()
    found: dict[Key, list[str]] = defaultdict(list)
    for level, code in lists.periods:
        if level in {"PROVINCE", "COMMUNE"} and lists.unit(level, code, day) is None:
            now = _now((level, code), day)
            if now is not None:
                found[level, now].append(code)
    return dict(found)
