"""A case says at once whether a value agrees, so a wrong one is a guess like any other about the person."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Guesses:
    """Wrong values about each person: those of the last 24 hours, and those of this call."""

    most: int | None
    """None: they are counted elsewhere, and there is no limit here."""
    before: Mapping[str, int]
    added: Counter[str] = field(default_factory=Counter)
    silent: set[str] = field(default_factory=set)
    """References of cases in which nothing was compared."""

    def left(self, personal_id: str) -> bool:
        return self.most is None or self.before.get(personal_id, 0) + self.added[personal_id] < self.most

    def add(self, row: Mapping[str, Any], *, compared: bool) -> None:
        """Take note of a case as it is made."""
        if compared:
            self.added += wrong_values([row])
        else:
            self.silent.add(row["reference"])

    def of(self, rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
        """Return the guesses of those cases that are new."""
        return wrong_values(row for row in rows if row["reference"] not in self.silent)


def wrong_values(rows: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how many wrong values cases state about each person of the register."""
    wrong: Counter[str] = Counter()
    for row in rows:
        if row["person_id"] is not None:
            wrong[row["personal_id"]] += sum(not d["agrees"] for d in row["disputed"])
    return +wrong
