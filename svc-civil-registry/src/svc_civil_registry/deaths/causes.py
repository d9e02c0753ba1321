"""Why a registered death is cancelled: lawful causes with their documents, as dated data with sources."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause while it is in force."""

    name: str
    documents: frozenset[str]
    """Kinds of documents of which one proves it."""
    found_alive: bool
    """The person is known to live; else only this entry is known to be wrong."""
    needs_other_entry: bool
    """The person is dead by another entry, which stands."""
    effective_from: date
    effective_to: date | None

    def in_force(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


@cache
def causes() -> tuple[Cause, ...]:
    """Return the whole list, past and coming rules as well."""
    text = (files("svc_civil_registry") / "data" / "cancellation_causes.json").read_text(encoding="utf-8")
    return tuple(
        Cause(
            name=entry["cause"],
            documents=frozenset(entry["documents"]),
            found_alive=entry["found_alive"],
            needs_other_entry=entry["needs_other_entry"],
            effective_from=date.fromisoformat(entry["effective_from"]),
            effective_to=date.fromisoformat(entry["effective_to"]) if entry["effective_to"] else None,
        )
        for entry in json.loads(text)
        if entry["book"] == "DEATH"
    )


def lawful(name: str, document: str, *, day: date) -> Cause | None:
    """Return the cause of this name that is in force and is proved by such a document."""
    found = (c for c in causes() if c.name == name and c.in_force(day) and document in c.documents)
    return next(found, None)
