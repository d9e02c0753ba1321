"""A case says at once whether a value agrees, so a wrong one is a guess like any other about the person."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Any


def wrong_values(rows: Iterable[Mapping[str, Any]], *, but: Container[str]) -> Counter[str]:
    """Return how many wrong values new cases state about each person of the register, but for some."""
    wrong: Counter[str] = Counter()
    for row in rows:
        if row["person_id"] is not None and row["personal_id"] not in but:
            wrong[row["personal_id"]] += sum(not d["agrees"] for d in row["disputed"])
    return +wrong
