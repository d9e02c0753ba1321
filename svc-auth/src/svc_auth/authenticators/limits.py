"""How many attempts are free and how long the lock grows after them."""

from dataclasses import dataclass
from enum import StrEnum


class CounterKind(StrEnum):
    """What is counted; a failure of one kind never locks another."""

    ACCOUNT = "ACCOUNT"
    ACTIVATION = "ACTIVATION"
    ONE_TIME_PASSWORD = "ONE_TIME_PASSWORD"  # noqa: S105 - the name of a counter, no secret
    """Apart from ACCOUNT: a log-in with the passcode alone pays for no guess of the second factor."""
    SOURCE = "SOURCE"


@dataclass(frozen=True, slots=True)
class Limit:
    """`free` attempts, then a lock of `first` seconds that doubles with each further failure up to `longest`.

    The count starts anew when `forget` seconds passed without an attempt.
    """

    free: int
    first: int
    longest: int
    forget: int

    def lock_seconds(self, failures: int) -> int:
        """Return the lock after this many failures in a row."""
        if failures < self.free:
            return 0
        doublings = min(failures - self.free, 30)
        return min(self.longest, self.first << doublings)


_DAY = 86_400
LIMITS: dict[CounterKind, Limit] = {
    CounterKind.ACCOUNT: Limit(free=5, first=60, longest=_DAY, forget=7 * _DAY),
    CounterKind.ACTIVATION: Limit(free=5, first=60, longest=_DAY, forget=7 * _DAY),
    CounterKind.ONE_TIME_PASSWORD: Limit(free=5, first=60, longest=_DAY, forget=7 * _DAY),
    CounterKind.SOURCE: Limit(free=50, first=30, longest=900, forget=3600),
}
