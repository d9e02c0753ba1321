"""Small counts are not published: pure rules of disclosure control.

A cell below the least count is left out, and so is a total below it. Where one cell alone was left out, the
total would give it away: then the next smallest cell is left out as well.
"""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds in force from a day on."""

    effective_from: date
    least_count: int
    age_group_years: int
    oldest_group: int


@cache
def _bounds() -> tuple[Bounds, ...]:
    text = resources.files(__package__).joinpath("rules.json").read_text(encoding="utf-8")
    rules = [
        Bounds(**{**rule, "effective_from": date.fromisoformat(rule["effective_from"])})
        for rule in json.loads(text)["rules"]
    ]
    return tuple(sorted(rules, key=lambda r: r.effective_from, reverse=True))


def bounds_on(day: date) -> Bounds:
    """Return the bounds of a day; those before the first rule are the first rule's."""
    return next((b for b in _bounds() if b.effective_from <= day), _bounds()[-1])


def age_group(birth_year: int, year: int, bounds: Bounds) -> int:
    """Return the first year of age of the group; age is what is reached within the year."""
    age = max(0, year - birth_year)
    return min(age - age % bounds.age_group_years, bounds.oldest_group)


def published(cells: Mapping[KeyT, int], *, least: int) -> dict[KeyT, int | None]:
    """Return the counts of cells that stand beside their total; None: left out. Zero names nobody."""
    hidden = {key for key, n in cells.items() if 0 < n < least}
    if len(hidden) == 1:
        others = [(n, str(key), key) for key, n in cells.items() if key not in hidden and n > 0]
        if others:
            hidden.add(min(others, key=lambda o: (o[0], o[1]))[2])
    return {key: None if key in hidden else n for key, n in cells.items()}
