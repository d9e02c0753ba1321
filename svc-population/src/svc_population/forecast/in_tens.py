"""Rounds numbers to tens so that the parts still add up to their total: pure, by largest remainders."""

from collections.abc import Sequence
from math import floor

TEN = 10


def in_tens(number: float) -> int:
    """Return a number in tens, halves up."""
    return floor(number / TEN + 0.5) * TEN


def parts_in_tens(parts: Sequence[float]) -> list[int]:
    """Return parts in tens whose sum is the sum in tens; each is off by less than ten."""
    found = [floor(n / TEN) for n in parts]
    missing = in_tens(sum(parts)) // TEN - sum(found)
    by_remainder = sorted(range(len(parts)), key=lambda i: (found[i] - parts[i] / TEN, i))
    for place in by_remainder[:missing]:
        found[place] += 1
    return [n * TEN for n in found]
