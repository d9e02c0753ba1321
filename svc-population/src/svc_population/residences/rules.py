"""Which dates a registration may have: pure rules, the bounds are data with dates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from svc_population.dated_rules import DatedRules
from svc_population.residences.vocabulary import ResidenceKind

_MONTHS = 12
_FARTHEST_YEARS = 10
"""Nobody announces an absence or a stay farther ahead."""
Fault = tuple[str, str]
"""Name of a member and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds in force from a day on."""

    effective_from: date
    temporary_longest_months: int
    stay_longest_days: int


bounds_on = DatedRules(__package__, Bounds).on
"""Returns the bounds of a day."""


def later(day: date, months: int) -> date:
    """Return the day so many months later; the last of the month where that month is shorter."""
    year, month = divmod(day.month - 1 + months, _MONTHS)
    for number in range(day.day, 27, -1):
        try:
            return date(day.year + year, month + 1, number)
        except ValueError:
            continue
    return date(day.year + year, month + 1, day.day)


def date_faults(
    kind: ResidenceKind, valid_from: date, valid_to: date | None, *, born: date, today: date
) -> Iterator[Fault]:
    """Yield what is wrong with the dates of a registration."""
    if valid_from < born:
        yield "valid_from", "before the person's birth"
    announced = kind in {ResidenceKind.ABSENCE, ResidenceKind.STAY}
    if valid_from > (later(today, _MONTHS * _FARTHEST_YEARS) if announced else today):
        yield "valid_from", "in the future"
        return
    if valid_to is not None:
        yield from _end_faults(kind, valid_from, valid_to, today=today)
    elif kind in {ResidenceKind.TEMPORARY, ResidenceKind.STAY}:
        yield "valid_to", "is needed"


def _end_faults(kind: ResidenceKind, valid_from: date, valid_to: date, *, today: date) -> Iterator[Fault]:
    if kind in {ResidenceKind.PERMANENT, ResidenceKind.CURRENT}:
        yield "valid_to", "has no end until it is ended"
    if valid_to < valid_from:
        yield "valid_to", "before valid_from"
    bounds = bounds_on(valid_from)
    if kind is ResidenceKind.TEMPORARY:
        if valid_to > later(valid_from, bounds.temporary_longest_months) - timedelta(days=1):
            yield "valid_to", f"more than {bounds.temporary_longest_months} months after valid_from"
        if valid_to < today:
            yield "valid_to", "is past"
    if kind is ResidenceKind.STAY and (valid_to - valid_from).days >= bounds.stay_longest_days:
        yield "valid_to", f"a stay is shorter than {bounds.stay_longest_days} days"
