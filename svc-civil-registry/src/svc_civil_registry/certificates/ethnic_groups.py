"""Names of the ethnic groups by code."""

import csv
from functools import cache
from importlib.resources import files


@cache
def _names() -> dict[str, str]:
    text = (files("svc_civil_registry") / "data" / "ethnic_groups.csv").read_text(encoding="utf-8")
    return {row["code"]: row["name"] for row in csv.DictReader(text.splitlines())}


def ethnic_group(code: str) -> str:
    """Return the group's name; code 55, used for foreigners, is not part of the list."""
    return _names().get(code, "Người nước ngoài")
