"""Where people of a commune of today are counted in the units of another day: pure, from the lists alone.

A unit of another day is `partial` when its number need not be that of all its people: some of them live in a
commune of today whose people came from several units, or a unit beside it ended and no list tells which one
took its people. Nobody is counted in two units.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from svc_population.admin_units.succession import Extent, Outcome, Period, UnitsInTime, units_in_time

Level = Literal["COUNTRY", "PROVINCE", "DISTRICT", "COMMUNE"]


@dataclass(frozen=True, slots=True)
class Place:
    """The unit; none: the country, or nowhere. `sure` is false where no list tells the unit."""

    unit: Period | None
    sure: bool


NOWHERE = Place(None, sure=True)
NOT_KNOWN = Place(None, sure=False)


@dataclass(frozen=True, slots=True)
class Places:
    """All communes of today's list in the units of a level and day."""

    level: Level
    of_commune: dict[str, Place]
    partial: frozenset[Period]

    def place(self, commune_code: str) -> Place:
        if not commune_code or self.level == "COUNTRY":
            return NOWHERE
        return self.of_commune.get(commune_code, NOT_KNOWN)


@lru_cache(maxsize=64)
def places(level: Level, *, here: date, to: date) -> Places:
    """Return where each commune of day `here` lies on day `to`."""
    lists = units_in_time()
    found: dict[str, Place] = {}
    partial: set[Period] = set()
    for code in _communes(lists, here) if level != "COUNTRY" else ():
        moved = lists.translate("COMMUNE", code, on=here, to=to)
        peopled = () if moved is None else [r.unit for r in moved.units if r.extent is not Extent.LAND]
        units = {above(lists, unit, level, to) for unit in peopled}
        if len(units) == 1 and None not in units and moved is not None and moved.outcome != Outcome.UNKNOWN:
            found[code] = Place(units.pop(), sure=True)
        else:
            found[code] = NOT_KNOWN
            partial |= {unit for unit in units if unit is not None}
    return Places(level, found, frozenset(partial | _beside_the_lost(lists, level, here, to)))


def above(lists: UnitsInTime, unit: Period, level: Level, day: date) -> Period | None:
    """Return the unit of a level that a unit is, or lies in, on a day; none when it lies in none."""
    here: Period | None = unit
    while here is not None and here.level != level:
        district = lists.unit("DISTRICT", here.parent_code or "", day) if here.level == "COMMUNE" else None
        here = district or (
            lists.unit("PROVINCE", here.parent_code or "", day) if here.level != "PROVINCE" else None
        )
    return here


def _communes(lists: UnitsInTime, day: date) -> list[str]:
    return [code for level, code in lists.periods if level == "COMMUNE" and lists.unit(level, code, day)]


def _beside_the_lost(lists: UnitsInTime, level: Level, here: date, to: date) -> set[Period]:
    """Return communes in whose district one ended until today without a known successor.

    People of the ended one are counted in one of these, which is not known: but in the same district.
    """
    if level != "COMMUNE" or to >= here:
        return set()
    lost = set()
    for code in _communes(lists, to):
        moved = lists.translate("COMMUNE", code, on=to, to=here)
        if moved is not None and moved.outcome is Outcome.UNKNOWN:
            lost.add(lists.unit("COMMUNE", code, to))
    parents = {unit.parent_code for unit in lost if unit is not None}
    units = (lists.unit("COMMUNE", code, to) for code in _communes(lists, to))
    return {u for u in units if u is not None and u.parent_code in parents}
