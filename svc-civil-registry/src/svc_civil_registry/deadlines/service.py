"""Says whether an event is declared late. Late is a flag, never a refusal (Civil Status Law)."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files

VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Deadline:
    """Days that a procedure allows from the event's date on, while the rule is in force."""

    procedure: str
    days: int
    effective_from: date
    effective_to: date | None
    legal_basis: str


@cache
def _deadlines() -> tuple[Deadline, ...]:
    text = (files("svc_civil_registry") / "data" / "deadlines.json").read_text(encoding="utf-8")
    return tuple(
        Deadline(
            procedure=entry["procedure"],
            days=entry["days"],
            effective_from=date.fromisoformat(entry["effective_from"]),
            effective_to=date.fromisoformat(entry["effective_to"]) if entry["effective_to"] else None,
            legal_basis=entry["legal_basis"],
        )
        for entry in json.loads(text)
    )


def today() -> date:
    """Return the day in Vietnam, where all offices are."""
    return datetime.now(UTC).astimezone(VIETNAM).date()


def deadline_for(procedure: str, day: date) -> Deadline | None:
    """Return the rule in force on a day; None when the law sets no limit."""
    for deadline in _deadlines():
        if (
            deadline.procedure == procedure
            and deadline.effective_from <= day
            and (deadline.effective_to is None or day <= deadline.effective_to)
        ):
            return deadline
    return None


def is_late(procedure: str, *, occurred_on: date, declared_on: date) -> bool:
    """Tell whether the declaration comes after the limit of the law in force when it is made."""
    deadline = deadline_for(procedure, declared_on)
    return deadline is not None and (declared_on - occurred_on).days > deadline.days
