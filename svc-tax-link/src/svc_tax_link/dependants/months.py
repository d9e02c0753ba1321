"""Months as tax counts them, and the dated rule from when to when a child is a dependant."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

Months = tuple[date, date | None]
"""The first and the last month of an interval, both included; None = no end."""


@dataclass(frozen=True, slots=True)
class ChildRule:
    """One version of the rule; `first_payer` orders the parents."""

    name: str
    in_force_from: date
    in_force_to: date | None
    last_month_at_years: int
    first_payer: tuple[str, ...]

    def last_month(self, birth_date: date) -> date:
        """Return the month in which the child comes of age: the last one counted."""
        return date(birth_date.year + self.last_month_at_years, birth_date.month, 1)


def month_of(day: date) -> date:
    """Return a month as its first day."""
    return day.replace(day=1)


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def written(month: date) -> str:
    """Return a month as `2026-11`."""
    return f"{month.year:04d}-{month.month:02d}"


def common_months(one: Months, other: Months) -> Months | None:
    """Return the months that two claims have in common, None if there are none."""
    first, last = max(one[0], other[0]), min(one[1] or date.max, other[1] or date.max)
    if first > last:
        return None
    return first, None if last == date.max else last


def month_before(month: date) -> date:
    return date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)


def without(one: Months, other: Months) -> list[Months]:
    """Return what is left of some months without others: none, one or two intervals."""
    common = common_months(one, other)
    if common is None:
        return [one]
    first, last = common
    left: list[Months] = [] if one[0] >= first else [(one[0], month_before(first))]
    if last is not None and (one[1] is None or one[1] > last):
        left.append((month_after(last), one[1]))
    return left


def read_month(text: str) -> date:
    """Read `2026-11`.

    Raises:
        ValueError: there is no such month.
    """
    year, _, month = text.partition("-")
    return date(int(year), int(month), 1)


@cache
def child_rules() -> tuple[ChildRule, ...]:
    """Return the versions of the rule, oldest first."""
    text = files(__package__).joinpath("rules_data/child.json").read_text(encoding="utf-8")
    return tuple(
        ChildRule(
            name=version["rule"],
            in_force_from=date.fromisoformat(version["in_force_from"]),
            in_force_to=None
            if version["in_force_to"] is None
            else date.fromisoformat(version["in_force_to"]),
            last_month_at_years=version["last_month_at_years"],
            first_payer=tuple(version["first_payer"]),
        )
        for version in json.loads(text)["versions"]
    )


def child_rule(on: date) -> ChildRule | None:
    """Return the version in force on a day."""
    return next(
        (
            r
            for r in child_rules()
            if r.in_force_from <= on and (r.in_force_to is None or on <= r.in_force_to)
        ),
        None,
    )
