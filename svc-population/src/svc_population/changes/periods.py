"""A value that held for a while: which versions say so, and leave all other days as they are.

What is recorded later decides for all days from its own day on. So a correction with a last day is told by
one version for its first day, and one for each day after its last on which something else holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from svc_population.persons.reconstruction import State, Step, as_of

_LAST_WORD = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Remainder:
    """What the days after a corrected period hold otherwise than before, up to `until` (None: all of them).

    A residence that is cut begins on another day, although the place is the same.
    """

    columns: State
    until: date | None


def versions(
    steps: Sequence[Step],
    stated: State,
    *,
    first: date,
    last: date | None,
    remainder: Remainder | None = None,
) -> list[tuple[date, dict[str, object]]]:
    """Return (day, columns) of the versions to record, in this order; none if all that is on record already.

    `steps` are all versions of the record. The last one leaves the columns as the record holds them now, but
    for the remainder. Without `last`, all later days are stated as well.
    """

    def held(day: date) -> dict[str, object]:
        found = as_of(steps, valid_at=day, known_at=_LAST_WORD)
        return {} if found is None else {name: found[1][name] for name in stated}

    def later(day: date) -> dict[str, object]:
        cut = remainder is not None and (remainder.until is None or day <= remainder.until)
        return {**held(day), **remainder.columns} if remainder is not None and cut else held(day)

    turns = sorted({s.valid_from for s in steps if s.valid_from is not None and s.columns & stated.keys()})
    wanted = dict(stated)
    after = None if last is None else last + timedelta(days=1)
    days = [first, *(d for d in turns if d > first and (after is None or d < after))]
    if all(held(day) == wanted for day in days) and (after is None or later(after) == held(after)):
        return []
    told = [(first, wanted)]
    if after is None:
        return told
    ends = [] if remainder is None or remainder.until is None else [remainder.until + timedelta(days=1)]
    for day in sorted({after, *(d for d in (*turns, *ends) if d > after)}):
        if later(day) != told[-1][1]:
            told.append((day, later(day)))
    return told
