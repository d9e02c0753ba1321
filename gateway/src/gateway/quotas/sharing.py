"""How what is left of a quota is shared among the buckets that draw on it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Want:
    """One bucket: what a call in it costs, and how many calls it lately saw; None = it is new."""

    cost: int
    calls: int | None


def shares(left: int, wants: Sequence[Want]) -> list[int]:
    """Return the calls that each may let through: in all they cost no more than is left.

    Buckets get shares by the units that they lately used; a new one is taken for as busy as the busiest. What
    rounding leaves over goes to the busiest that can use it.
    """
    if left <= 0:
        return [0] * len(wants)
    known = [w.calls * w.cost for w in wants if w.calls is not None]
    busiest = max([1, *known])
    weights = [busiest if w.calls is None else max(1, w.calls * w.cost) for w in wants]
    total = sum(weights)
    found = [left * weight // total // want.cost for weight, want in zip(weights, wants, strict=True)]
    rest = left - sum(n * w.cost for n, w in zip(found, wants, strict=True))
    for index in sorted(range(len(wants)), key=lambda i: -weights[i]):
        more = rest // wants[index].cost
        found[index] += more
        rest -= more * wants[index].cost
    return found
