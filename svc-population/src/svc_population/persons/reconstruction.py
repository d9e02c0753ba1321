"""Builds a record as it was from the record of today and what each change says was before it.

Two clocks: a change is *true* from a day on (valid time) and was *known* from a moment on (recorded time).
What is recorded later decides for all days from its own day on. The first version is taken to be true from
birth: nothing older is on record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

_ABOUT = frozenset({"source", "recorded_at"})
"""Members of `before` that tell of the former version, beside its columns."""
State = Mapping[str, Any]


class Recorded(Protocol):
    """A row of history."""

    @property
    def version(self) -> int: ...
    @property
    def before(self) -> dict[str, Any]: ...
    @property
    def valid_from(self) -> date: ...
    @property
    def recorded_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Merged:
    """The own record of a number that was merged into another person's."""

    person_id: UUID
    record: State
    at: datetime

    @classmethod
    def of(cls, kept: State) -> "Merged":
        """Read what a merger kept."""
        at = datetime.fromisoformat(kept["merged_at"])
        return cls(UUID(kept["person_id"]), kept, at)


@dataclass(frozen=True, slots=True)
class Step:
    """One version of a record: what held before it and since."""

    version: int
    valid_from: date | None
    """None: the first version."""
    recorded_at: datetime
    before: State
    after: State
    columns: frozenset[str]
    """What the step changed."""


def steps(record: State, history: Sequence[Recorded]) -> list[Step]:
    """Return every version of a record, oldest first; `record` is what it holds now."""
    after = dict(record)
    found: list[Step] = []
    for row in reversed(history):
        columns = frozenset(row.before) - _ABOUT
        before = {**after, **{name: row.before[name] for name in columns}}
        found.append(Step(row.version, row.valid_from, row.recorded_at, before, after, columns))
        after = before
    opened = datetime.fromisoformat(history[0].before["recorded_at"] if history else record["recorded_at"])
    first = history[0].version - 1 if history else record["version"]
    found.append(Step(first, None, opened, {}, after, frozenset()))
    return found[::-1]


def as_of(all_steps: Sequence[Step], *, valid_at: date, known_at: datetime) -> tuple[int, State] | None:
    """Return (version, state): what was known then to be true on a day; None before the record began."""
    known = [step for step in all_steps if step.recorded_at <= known_at]
    if not known:
        return None
    state = dict(known[0].after)
    for step in known[1:]:
        if step.valid_from is not None and step.valid_from <= valid_at:
            state.update({name: step.after[name] for name in step.columns})
    return known[-1].version, state
