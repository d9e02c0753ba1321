"""Compares both sides' values and sets deadlines: pure rules, the days are data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ndx_contracts.names import same_name

from svc_population.dated_rules import DatedRules
from svc_population.reconciliation.routing import commune_today
from svc_population.reconciliation.vocabulary import CaseKind, DisputedField


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Days that a commune has for each kind of case, in force from a day on."""

    effective_from: date
    days: Mapping[str, int]


_deadlines_on = DatedRules(__package__, Deadlines).on


def deadline(kind: CaseKind, opened_on: date) -> date:
    """Return the last day on which the commune is in time."""
    return opened_on + timedelta(days=_deadlines_on(opened_on).days[kind.value])


def agrees(field: DisputedField, theirs: str, ours: str | None) -> bool:
    """Tell whether both registers say the same; names after composition, capitals and tone marks.

    A commune that ended and the one that took all its people are the same place.
    """
    if ours is None:
        return False
    if field is DisputedField.PERMANENT_COMMUNE_CODE and theirs != ours:
        here = commune_today(theirs)
        return here is not None and here == commune_today(ours)
    return same_name(theirs, ours) if field is DisputedField.BIRTH_NAME else theirs == ours


def ours_of(person: Mapping[Any, Any], fields: tuple[DisputedField, ...]) -> dict[DisputedField, str | None]:
    """Return this register's values as text."""
    found: dict[DisputedField, str | None] = {}
    for field in fields:
        value = person[field.value]
        found[field] = None if value is None else str(value)
    return found
