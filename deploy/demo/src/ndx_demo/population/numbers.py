"""Personal numbers of synthetic people: valid layout, no collision, one seeded permutation per prefix."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

PER_PREFIX = 1_000_000
PREFIXES = 1_000_000
_HALF = np.uint64(1000)
_ROUNDS = 6
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


class PrefixFull(Exception):
    """More people were asked for than a prefix has numbers."""


def prefix(province3: Ints, birth_year: Ints, sex: Ints) -> Ints:
    """Return `PPP G YY` as an integer; G says the century and the sex (Decree 137/2015, article 13)."""
    century = 2 * (birth_year // 100 - 19) + sex
    return province3 * 1000 + century * 100 + birth_year % 100


def _mixed(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))


def permuted(seed: int, prefixes: Ints, counters: Ints) -> Ints:
    """Map the n-th number of a prefix to six digits: a Feistel network over two halves of three digits.

    It is a bijection of 0..999999 for each prefix. It is not secret: these people do not exist.
    """
    left = counters.astype(np.uint64) // _HALF
    right = counters.astype(np.uint64) % _HALF
    with np.errstate(over="ignore"):
        start = _mixed(prefixes.astype(np.uint64) * _GOLDEN + np.uint64(seed))
        for turn in range(_ROUNDS):
            noise = _mixed(start + (right + np.uint64(turn * 1000 + 1)) * _GOLDEN)
            left, right = right, (left + noise % _HALF) % _HALF
    return (left * _HALF + right).astype(np.int64)


class Allocation:
    """Counters of all prefixes; constant memory, whatever the number of people."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._used = np.zeros(PREFIXES, dtype=np.int32)

    def allocate(self, prefixes: Ints) -> Ints:
        """Return a number for each person, in the order of the persons."""
        order = np.argsort(prefixes, kind="stable")
        ordered = prefixes[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else ordered
        sizes = np.diff(np.r_[starts, len(ordered)])
        found = ordered[starts]
        first = self._used[found].astype(np.int64)
        rank = np.arange(len(ordered)) - np.repeat(starts, sizes)
        counters = np.empty(len(prefixes), dtype=np.int64)
        counters[order] = rank + np.repeat(first, sizes)
        if len(found) and int((first + sizes).max()) > PER_PREFIX:
            raise PrefixFull("a province has more births of one year and sex than there are numbers")
        self._used[found] += sizes.astype(np.int32)
        return prefixes * PER_PREFIX + permuted(self._seed, prefixes, counters)
