"""How what is left of quotas is shared among the buckets that draw on them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Want:
    """One bucket: what a call in it costs, and how many calls it lately saw; None = it is new."""

    cost: int
    calls: int | None


def _weights(wants: Sequence[Want], busiest: int) -> list[int]:
    """Return the units that each lately used; a new one is taken for as busy as the busiest."""
    return [busiest if w.calls is None else max(1, w.calls * w.cost) for w in wants]


def _busiest(wants: Sequence[Want]) -> int:
    return max([1, *(w.calls * w.cost for w in wants if w.calls is not None)])


def shares(left: int, wants: Sequence[Want]) -> list[int]:
    """Return the calls that each may let through: in all they cost no more than is left.

    Buckets get shares by the units that they lately used. What rounding leaves over goes to the busiest that
    can use it.
    """
    if left <= 0:
        return [0] * len(wants)
    weights = _weights(wants, _busiest(wants))
    total = sum(weights)
    found = [left * weight // total // want.cost for weight, want in zip(weights, wants, strict=True)]
    rest = left - sum(n * w.cost for n, w in zip(found, wants, strict=True))
    for index in sorted(range(len(wants)), key=lambda i: -weights[i]):
        more = rest // wants[index].cost
        found[index] += more
        rest -= more * wants[index].cost
    return found


def portions(whole: int, lefts: Sequence[int | None], groups: Sequence[Sequence[Want]]) -> list[int]:
    """Return how many units of what a whole agency has left each of its agreements gets.

    None gets more than its own quota leaves it; what one cannot use goes to the others, by what they lately
    used. `lefts` are the agreements' own rests, None = without a quota of its own.
    """
    busiest = _busiest([want for wants in groups for want in wants])
    weights = [max(1, sum(_weights(wants, busiest))) for wants in groups]
    found, rest, waiting = [0] * len(groups), max(0, whole), list(range(len(groups)))
    while waiting:
        total = sum(weights[i] for i in waiting)
        full = {
            i: max(0, own)
            for i in waiting
            if (own := lefts[i]) is not None and own * total <= rest * weights[i]
        }
        if not full:
            for i in waiting:
                found[i] = rest * weights[i] // total
            found[max(waiting, key=lambda i: weights[i])] += rest - sum(found[i] for i in waiting)
            break
        for i, own in full.items():
            found[i] = own
            rest -= own
        waiting = [i for i in waiting if i not in full]
    return [n if own is None else min(n, max(0, own)) for n, own in zip(found, lefts, strict=True)]
