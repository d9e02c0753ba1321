"""A value that held for a while: which versions say so, and leave all other days as they are.

What is recorded later decides for all days from its own day on. So a correction with a last day is told by
one version for its first day, and one for each day after its last on which something else holds.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from svc_population.histories.reconstruction import State, Step, as_of

_LAST_WORD = datetime.max.replace(tzinfo=UTC)


def versions(
    steps: Sequence[Step], stated: State, *, first: date, last: date
) -> list[tuple[date, dict[str, object]]]:
    """Return (day, columns) of the versions to record, in this order; none if all that is on record already.

    `steps` are all versions of the record. The last one leaves the columns as the record holds them now.
    """

    def held(day: date) -> dict[str, object]:
        found = as_of(steps, valid_at=day, known_at=_LAST_WORD)
        return {} if found is None else {name: found[1][name] for name in stated}

    turns = sorted({s.valid_from for s in steps if s.valid_from is not None and s.columns & stated.keys()})
    wanted = dict(stated)
    if all(held(day) == wanted for day in [first, *(d for d in turns if first < d <= last)]):
        return []
    told = [(first, wanted)]
    after = last + timedelta(days=1)
    for day in [after, *(d for d in turns if d > after)]:
        if held(day) != told[-1][1]:
            told.append((day, held(day)))
    return told
