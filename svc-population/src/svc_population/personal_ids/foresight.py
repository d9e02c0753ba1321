"""When the million numbers of a prefix will be used up, as far as the pace until now tells."""

from dataclasses import dataclass
from datetime import date, timedelta

from svc_population.personal_ids.personal_id import SERIALS, parse

THRESHOLDS = (80, 95, 100)
"""Shares in percent at which somebody has to hear of it."""
LAST_THRESHOLD = THRESHOLDS[-1]
FORESEEN = 1
"""Stands for "will be used up", below the first threshold."""
WORTH_WATCHING = 10_000
"""So many numbers tell a pace; a few of one morning do not."""


@dataclass(frozen=True, slots=True)
class PrefixUse:
    """How much of a prefix was given out."""

    prefix: str
    taken: int
    first_taken_on: date

    @property
    def percent(self) -> int:
        return min(self.taken, SERIALS) * 100 // SERIALS

    def expected_on(self, today: date) -> date | None:
        """Return the day on which it will be used up at the pace until now; None: not while it is needed.

        Births of a year are registered until the end of the next one, with few exceptions.
        """
        if self.taken >= SERIALS:
            return today
        if self.taken < WORTH_WATCHING:
            return None
        days = max((today - self.first_taken_on).days, 1)
        left = (SERIALS - self.taken) * days // self.taken
        needed_until = date(parse(f"{self.prefix}000000").birth_year + 1, 12, 31)
        return today + timedelta(days=left) if left <= (needed_until - today).days else None

    def level(self, today: date) -> int:
        """Return the highest threshold reached, `FORESEEN`, or 0."""
        reached = [threshold for threshold in THRESHOLDS if self.percent >= threshold]
        return reached[-1] if reached else FORESEEN if self.expected_on(today) else 0
