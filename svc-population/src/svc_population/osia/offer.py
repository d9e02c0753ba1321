"""Which operations of the OSIA files are served, and why the others are not: a table as data."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from svc_population.osia.vocabulary import OsiaCode

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Offered:
    """One operation of a file; `refusal` is None for one that is served."""

    file: str
    operation: str
    method: str
    path: str
    query: tuple[str, ...]
    """Parameters of one that is not served; a question mark follows one that may be left out."""
    scope: str
    refusal: OsiaCode | None
    reason: str

    @property
    def name(self) -> str:
        """Return our name of it: `osia_delete_person`."""
        return "osia_" + _WORD.sub("_", self.operation).lower()

    @property
    def number(self) -> OsiaCode:
        """Return the number of the refusal.

        Raises:
            ValueError: the operation is served.
        """
        if self.refusal is None:
            raise ValueError(f"{self.operation} is served")
        return self.refusal

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """Return its parameters for our own document."""
        text = {"type": "string"}
        inside = [part.partition("}")[0] for part in self.path.split("{")[1:]]
        return [{"name": name, "in": "path", "required": True, "schema": text} for name in inside] + [
            {
                "name": name.removesuffix("?"),
                "in": "query",
                "required": not name.endswith("?"),
                "schema": text,
            }
            for name in self.query
        ]


@cache
def offer() -> tuple[Offered, ...]:
    """Return the whole table, in the order of the files."""
    table = files("svc_population.osia").joinpath("operations.csv").read_text(encoding="utf-8")
    return tuple(
        Offered(
            file=row["file"],
            operation=row["operation"],
            method=row["method"],
            path=row["path"],
            query=tuple(row["query"].split()),
            scope=row["scope"],
            refusal=OsiaCode(int(row["number"])) if row["number"] else None,
            reason=row["reason"],
        )
        for row in csv.DictReader(table.splitlines())
    )


def not_served(file: str) -> list[Offered]:
    """Return what a file has and the registry does not serve."""
    return [one for one in offer() if one.file == file and one.refusal is not None]
