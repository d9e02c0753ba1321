"""Looks up provinces and communes, and the commune that an office's code stands for."""

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

_DATA = files("svc_civil_registry") / "data"
_COMMUNE_OFFICE = re.compile(r"^X([0-9]{5})$")


@dataclass(frozen=True, slots=True)
class AdminUnit:
    """A province (2 digits, no parent) or a commune (5 digits, parent = its province)."""

    code: str
    name: str
    type: str
    parent_code: str | None
    valid_from: date
    retyped: tuple[tuple[date, str], ...] = ()

    def title(self, day: date) -> str:
        """Return the name with the type word in force on a day, such as `Phường Sài Gòn`."""
        word = self.type
        for since, new_type in self.retyped:
            if day >= since:
                word = new_type
        return f"{word[:1].upper()}{word[1:]} {self.name}"


def _rows(name: str) -> list[dict[str, str]]:
    text = (_DATA / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _units() -> dict[str, AdminUnit]:
    retyped: dict[str, list[tuple[date, str]]] = {}
    for row in _rows("admin_unit_changes_2026.csv"):
        change = (date.fromisoformat(row["effective_from"]), row["new_type"])
        retyped.setdefault(row["code"], []).append(change)
    return {
        row["code"]: AdminUnit(
            code=row["code"],
            name=row["name"],
            type=row["type"],
            parent_code=row["parent_code"] or None,
            valid_from=date.fromisoformat(row["valid_from"]),
            retyped=tuple(sorted(retyped.get(row["code"], ()))),
        )
        for row in _rows("admin_units_2025.csv")
    }


def find_unit(code: str) -> AdminUnit | None:
    """Return a province or commune of the list in force since 1 July 2025."""
    return _units().get(code)


def commune_of_office(office: str) -> AdminUnit | None:
    """Return the commune of a People's Committee: its agency code is `X` and the commune's code."""
    match = _COMMUNE_OFFICE.match(office)
    unit = find_unit(match.group(1)) if match else None
    return unit if unit is not None and unit.parent_code is not None else None


def full_title(commune: AdminUnit, day: date) -> str:
    """Return commune and province in words, as they stand on a certificate."""
    province = find_unit(commune.parent_code or "")
    return ", ".join(unit.title(day) for unit in (commune, province) if unit is not None)
