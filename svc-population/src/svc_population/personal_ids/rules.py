"""Why a number is refused, and why a birth may be a known one; the bounds are data with dates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ndx_contracts.names import same_name, tone_key
from ndx_contracts.population import ParentIn, Sex

from svc_population.dated_rules import DatedRules
from svc_population.persons.models import Person
from svc_population.persons.verification import has_reached
from svc_population.relationships.service import Child


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds in force from a day on."""

    effective_from: date
    youngest_parent_years: int
    same_birth_days: int
    """Children of one mother born within so many days can be of one birth (twins around midnight)."""
    shortest_interval_days: int
    """Two births of one mother are at least so many days apart."""


bounds_on = DatedRules(__package__, Bounds).on
"""Returns the bounds of a day."""


def parent_reasons(
    role: str, stated: ParentIn, person: Person | None, *, sex: Sex, birth_date: date
) -> list[str]:
    """Return what forbids to link the child to the person of the stated number.

    `role` is `mother` or `father`. A father may have died before the birth (up to a pregnancy), a mother not.
    """
    if person is None:
        return [f"{role}-not-found"]
    reasons = []
    if person.sex != sex.value:
        reasons.append(f"{role}-sex-differs")
    if not same_name(person.full_name, stated.name):
        reasons.append(f"{role}-name-differs")
    if not has_reached(person.birth_date, bounds_on(birth_date).youngest_parent_years, birth_date):
        reasons.append(f"{role}-too-young")
    died = person.death_or_missing_date if person.locked else None
    if died is not None and (birth_date - died).days > (0 if role == "mother" else 300):
        reasons.append(f"{role}-dead-before-birth")
    return reasons


def duplicate_reasons(siblings: Sequence[Child], *, full_name: str, birth_date: date) -> list[str]:
    """Compare a birth with the children whom the mother has: stable codes, never data of a candidate."""
    bounds = bounds_on(birth_date)
    reasons: set[str] = set()
    for sibling in siblings:
        apart = abs((sibling.birth_date - birth_date).days)
        if apart <= bounds.same_birth_days:
            if tone_key(sibling.full_name) == tone_key(full_name):
                reasons.add("same-mother-same-day-same-name")
        elif apart < bounds.shortest_interval_days:
            reasons.add("same-mother-short-interval")
    return sorted(reasons)
