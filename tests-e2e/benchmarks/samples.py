"""What luck could have made of a figure: turns are drawn anew, in pairs, and the figure is made of these."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from harness import percentile

_DRAWN = 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure, and the two between which 95 of a hundred lie that luck could have made of the same turns."""

    middle: float
    low: float
    high: float

    def words(self, digits: int = 2) -> str:
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def bootstrap(count: int, figure: Callable[[Sequence[int]], float]) -> Spread:
    """Make a figure of all of so many turns, or pairs of turns, and of as many drawn with putting back."""
    luck = random.Random(1)
    found = [figure(luck.choices(range(count), k=count)) for _ in range(_DRAWN)]
    return Spread(figure(range(count)), percentile(found, 0.025), percentile(found, 0.975))


def ratio(these: Sequence[float], others: Sequence[float]) -> Spread:
    """Compare turns with those beside them: the median of the pairs' ratios."""
    ratios = [a / b for a, b in zip(these, others, strict=True)]
    return bootstrap(len(ratios), lambda drawn: median(ratios[n] for n in drawn))


def difference(these: Sequence[float], others: Sequence[float]) -> Spread:
    """Do the same for differences."""
    found = [a - b for a, b in zip(these, others, strict=True)]
    return bootstrap(len(found), lambda drawn: median(found[n] for n in drawn))
