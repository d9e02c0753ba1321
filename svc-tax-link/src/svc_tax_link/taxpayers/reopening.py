"""Whether a tax number opens again by itself when a death is taken back: a dated rule with its source."""

import json
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

_OFFICE = "OFFICE"


@cache
def _rules() -> tuple[dict[str, Any], ...]:
    text = files(__package__).joinpath("rules_data/after_cancelled_death.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["versions"])


def by_office(day: date) -> bool:
    """Tell whether the person has to come to the office on that day."""
    for rule in _rules():
        until = rule["in_force_to"]
        if date.fromisoformat(rule["in_force_from"]) <= day and (
            until is None or day <= date.fromisoformat(until)
        ):
            return bool(rule["tax_number"] == _OFFICE)
    return True
