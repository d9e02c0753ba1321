"""Reads the code lists of units: 2024, 2025, the changes of 2026, and the succession between them."""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from importlib import resources
from typing import Any

BEFORE_RECORDS = date(1, 1, 1)


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _unit(row: dict[str, str]) -> dict[str, Any]:
    valid_to = row.get("valid_to")
    return {
        "level": row["level"],
        "code": row["code"],
        "valid_from": date.fromisoformat(row["valid_from"]) if row["valid_from"] else BEFORE_RECORDS,
        "valid_to": date.fromisoformat(valid_to) if valid_to else None,
        "name": row["name"],
        "type": row["type"],
        "full_name": row["full_name"],
        "parent_code": row["parent_code"] or None,
    }


def units() -> Iterator[dict[str, Any]]:
    """Give every unit in each of its periods as a row of `admin_units`."""
    for row in _rows("admin_units_2024.csv"):
        yield _unit(row)
    changes = {(r["level"], r["code"]): r for r in _rows("admin_unit_changes_2026.csv")}
    for row in _rows("admin_units_2025.csv"):
        unit = _unit(row)
        change = changes.get((row["level"], row["code"]))
        if change is None:
            yield unit
            continue
        effective = date.fromisoformat(change["effective_from"])
        yield {**unit, "valid_to": effective - timedelta(days=1)}
        kind = change["new_type"]
        yield {
            **unit,
            "valid_from": effective,
            "type": kind,
            "full_name": f"{kind[0].upper()}{kind[1:]} {unit['name']}",
        }


def successions() -> Iterator[dict[str, Any]]:
    """Give what became of each unit as a row of `admin_unit_successions`.

    Nearly all rows are of 1 July 2025; a few wards had got another code before (RECODED).
    """
    for row in _rows("admin_unit_succession.csv"):
        yield {
            "old_level": row["old_level"],
            "old_code": row["old_code"],
            "new_level": row["new_level"],
            "new_code": row["new_code"],
            "effective_from": date.fromisoformat(row["effective_from"]),
            "relation": row["relation"],
            "is_default": row["is_default"] == "1",
        }
    for row in _rows("admin_unit_code_corrections.csv"):
        yield {
            "old_level": row["level"],
            "old_code": row["old_code"],
            "new_level": row["level"],
            "new_code": row["new_code"],
            "effective_from": date.fromisoformat(row["effective_from"]),
            "relation": "RECODED",
            "is_default": True,
        }
