"""Compares both sides' values and sets deadlines: pure rules, the days are data."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any

from ndx_contracts.names import same_name

from svc_population.reconciliation.vocabulary import CaseKind, DisputedField


@cache
def _rules() -> tuple[tuple[date, dict[str, int]], ...]:
    text = resources.files(__package__).joinpath("rules.json").read_text(encoding="utf-8")
    rules = [(date.fromisoformat(r["effective_from"]), r["days"]) for r in json.loads(text)["rules"]]
    return tuple(sorted(rules, key=lambda r: r[0], reverse=True))


def deadline(kind: CaseKind, opened_on: date) -> date:
    """Return the last day on which the commune is in time."""
    days = next((d for begin, d in _rules() if begin <= opened_on), _rules()[-1][1])
    return opened_on + timedelta(days=days[kind.value])


def agrees(field: DisputedField, theirs: str, ours: str | None) -> bool:
    """Tell whether both registers say the same; names after composition, capitals and tone marks."""
    if ours is None:
        return False
    return same_name(theirs, ours) if field is DisputedField.BIRTH_NAME else theirs == ours


def ours_of(person: Mapping[Any, Any], fields: tuple[DisputedField, ...]) -> dict[DisputedField, str | None]:
    """Return this register's values as text."""
    found: dict[DisputedField, str | None] = {}
    for field in fields:
        value = person[field.value]
        found[field] = None if value is None else str(value)
    return found
