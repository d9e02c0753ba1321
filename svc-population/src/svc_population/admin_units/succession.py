"""What a unit of one day is on another day: pure rules over the code lists, in both directions.

A unit that was divided has several successors; which of them holds a person's home follows from the address
below the commune and from no list, so the answer says SEVERAL. Where no list tells what became of a unit, the
answer is UNKNOWN. `is_default` is the lists' own choice among several, for maps and rough counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache

from svc_population.admin_units import code_lists

_WHOLE = frozenset({"KEPT", "MERGED", "WHOLE", "RENAMED", "RETYPED", "RECODED", "PART_AREA_ALL_POPULATION"})
_LAND = frozenset({"PART_AREA", "WHOLE_AREA"})
Key = tuple[str, str]
"""Level and code."""


class Extent(StrEnum):
    """How much of the older unit the newer one holds."""

    WHOLE = "WHOLE"
    """All its people."""
    PART = "PART"
    LAND = "LAND"
    """Land where nobody of it lives."""


class Outcome(StrEnum):
    """What can be said of a unit on another day."""

    UNCHANGED = "UNCHANGED"
    ONE = "ONE"
    """One unit holds all the people (going back: all the people of it came from one)."""
    SEVERAL = "SEVERAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Period:
    """A unit as it was from a day to a day (None: until today)."""

    level: str
    code: str
    full_name: str
    parent_code: str | None
    valid_from: date
    valid_to: date | None

    def covers(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Step:
    """On a day, (part of) one unit became (part of) another."""

    old: Key
    new: Key
    effective_from: date
    relation: str
    extent: Extent
    is_default: bool


@dataclass(frozen=True, slots=True)
class Related:
    """A unit of the other day; `relation` is the list's own word for the last step."""

    unit: Period
    relation: str
    extent: Extent
    is_default: bool


@dataclass(frozen=True, slots=True)
class Translation:
    outcome: Outcome
    units: tuple[Related, ...]

    @property
    def sure(self) -> Period | None:
        """Return the unit where everybody of the asked one lives, when that is known."""
        return self.units[0].unit if self.outcome in {Outcome.UNCHANGED, Outcome.ONE} else None


@dataclass(slots=True)
class UnitsInTime:
    """All units in all periods, and the steps between them."""

    periods: dict[Key, list[Period]] = field(default_factory=lambda: defaultdict(list))
    forward: dict[Key, list[Step]] = field(default_factory=lambda: defaultdict(list))
    backward: dict[Key, list[Step]] = field(default_factory=lambda: defaultdict(list))
    days: tuple[date, ...] = ()
    """Days on which units became others."""

    def unit(self, level: str, code: str, day: date) -> Period | None:
        return next((p for p in self.periods.get((level, code), ()) if p.covers(day)), None)

    def province_of(self, commune_code: str, day: date) -> Period | None:
        """Return the province in which a commune lies on a day."""
        commune = self.unit("COMMUNE", commune_code, day)
        if commune is None or commune.parent_code is None:
            return None
        district = self.unit("DISTRICT", commune.parent_code, day)
        return self.unit("PROVINCE", (district or commune).parent_code or "", day)

    def translate(self, level: str, code: str, *, on: date, to: date) -> Translation | None:
        """Return what a unit of day `on` is on day `to`; None when there is no such unit on that day."""
        start = self.unit(level, code, on)
        if start is None:
            return None
        days = [d for d in self.days if min(on, to) < d <= max(on, to)]
        found = [Related(start, "KEPT", Extent.WHOLE, is_default=True)]
        lost = moved = False
        for day in days if to >= on else reversed(days):
            further: list[Related] = []
            for related in found:
                some = list(self._step(related, day, forward=to >= on))
                lost |= not some
                moved |= any(r.relation != "KEPT" for r in some)
                further += some
            found = _joined(further)
        now = [Related(u, r.relation, r.extent, r.is_default) for r, u in self._on(found, to)]
        now.sort(key=lambda r: (not r.is_default, r.unit.code != code, r.unit.code))
        return Translation(_outcome(now, lost=lost, moved=moved, forward=to >= on), tuple(now))

    def _on(self, found: Iterable[Related], day: date) -> Iterator[tuple[Related, Period]]:
        for related in found:
            unit = self.unit(related.unit.level, related.unit.code, day)
            if unit is not None:
                yield related, unit

    def _step(self, related: Related, day: date, *, forward: bool) -> Iterator[Related]:
        key = (related.unit.level, related.unit.code)
        steps = [s for s in (self.forward if forward else self.backward)[key] if s.effective_from == day]
        before = date.fromordinal(day.toordinal() - 1)
        for step in steps:
            level, code = step.new if forward else step.old
            unit = self.unit(level, code, day if forward else before)
            if unit is not None:
                yield Related(
                    unit,
                    step.relation,
                    _least(related.extent, step.extent),
                    is_default=related.is_default and step.is_default,
                )
        # Most units know nothing of a day on which a few got another code.
        here = self.unit(*key, before if forward else day)
        there = self.unit(*key, day if forward else before)
        if not steps and here is not None and here == there:
            yield related


_ORDER = (Extent.LAND, Extent.PART, Extent.WHOLE)


def _least(one: Extent, other: Extent) -> Extent:
    return min(one, other, key=_ORDER.index)


def _joined(found: Iterable[Related]) -> list[Related]:
    """Keep each unit once, by the step that brought most of it."""
    best: dict[Period, Related] = {}
    for related in found:
        known = best.get(related.unit)
        if known is None or _ORDER.index(known.extent) < _ORDER.index(related.extent):
            best[related.unit] = related
    return list(best.values())


def _outcome(units: list[Related], *, lost: bool, moved: bool, forward: bool) -> Outcome:
    if not units or lost:
        return Outcome.UNKNOWN
    if not moved:
        return Outcome.UNCHANGED
    peopled = [r for r in units if r.extent is not Extent.LAND]
    if len(peopled) == 1 and (not forward or peopled[0].extent is Extent.WHOLE):
        return Outcome.ONE
    return Outcome.SEVERAL


def _steps(rows: Iterable[dict[str, object]]) -> Iterator[Step]:
    grouped: dict[tuple[Key, object], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        grouped[(str(row["old_level"]), str(row["old_code"])), row["effective_from"]].append(row)
    for (old, day), group in grouped.items():
        peopled = [r for r in group if r["relation"] not in _LAND]
        for row in group:
            relation = str(row["relation"])
            if relation in _LAND:
                extent = Extent.LAND
            elif relation in _WHOLE or len(peopled) == 1:
                extent = Extent.WHOLE
            else:
                extent = Extent.PART
            assert isinstance(day, date)  # noqa: S101 - the type of the code list's column
            new = (str(row["new_level"]), str(row["new_code"]))
            yield Step(old, new, day, relation, extent, is_default=bool(row["is_default"]))


@cache
def units_in_time() -> UnitsInTime:
    """Return the packaged lists; they are read once, in a tenth of a second."""
    found = UnitsInTime()
    for row in code_lists.units():
        key = (row["level"], row["code"])
        names = ("level", "code", "full_name", "parent_code", "valid_from", "valid_to")
        found.periods[key].append(Period(**{name: row[name] for name in names}))
    for step in _steps(code_lists.successions()):
        found.forward[step.old].append(step)
        found.backward[step.new].append(step)
    found.days = tuple(sorted({s.effective_from for steps in found.forward.values() for s in steps}))
    return found
