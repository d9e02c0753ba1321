"""What one Envoy holds of a quota: the calls assigned to a bucket of it, and how many of these it reported.

Envoy does not acknowledge assignments, and what it counts while the line is down it never reports. Two rules
make up for that. An assignment holds for its time to live and is not taken back because a line broke: who
comes back goes on with it. And a bucket that has refused a call since its last assignment is empty, so what
was assigned and not reported has been used.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from gateway.quotas.spent import Limits

Terms = tuple[Limits, Limits | None]
"""The limits of an agreement, and those of the whole agency."""
TIME_TO_LIVE = timedelta(minutes=10)
"""For how long Envoy goes on with its last assignment when the control plane or its store is away."""
RENEWED_AFTER = TIME_TO_LIVE / 3
IDLE_AFTER = timedelta(minutes=10)
"""A bucket without calls for so long is given up, and made anew with the next call."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """How Envoy names a bucket."""

    agency: str
    agreement_id: str
    cost: int


@dataclass(frozen=True, slots=True)
class Report:
    """Calls that one stream reports for one bucket."""

    stream: int
    bucket: Bucket
    allowed: int
    refused: int
    fresh: bool
    """Envoy has just made the bucket: it knows of no assignment."""


@dataclass(slots=True)
class Holder:
    """A bucket of one Envoy."""

    bucket: Bucket
    id: UUID = field(default_factory=uuid4)
    granted: int = 0
    reported: int = 0
    calls: int | None = None
    """Calls in the last interval, refused ones included; None before the first assignment."""
    refused: int = 0
    sent_at: datetime | None = None
    day: date | None = None
    """The day for which the assignment was made."""
    terms: Terms | None = None
    settled: bool = False
    """Whether a whole interval has been reported since the last assignment."""
    busy_at: datetime | None = None

    @property
    def outstanding(self) -> int:
        """Calls that Envoy may still let through, as far as its reports tell."""
        return max(0, self.granted - self.reported)

    def stands(self, now: datetime) -> bool:
        """Tell whether Envoy still goes by the last assignment."""
        return self.sent_at is not None and now - self.sent_at < TIME_TO_LIVE

    def take(self, report: Report, now: datetime) -> int:
        """Note a report; return the calls that were let through, with those that an earlier report lost."""
        used = report.allowed
        self.reported += report.allowed
        self.refused = report.refused
        if report.allowed or report.refused or self.busy_at is None:
            self.busy_at = now
        if report.refused and self.settled and self.stands(now):
            used += self.outstanding
            self.reported += self.outstanding
        if self.sent_at is not None:
            self.calls = report.allowed + report.refused
            self.settled = True
        return used

    def assign(self, calls: int, now: datetime, day: date, terms: Terms) -> None:
        """Note an assignment that replaces the former."""
        self.granted, self.reported = calls, 0
        self.sent_at, self.day, self.terms = now, day, terms
        self.settled = False

    def due(self, now: datetime, day: date, terms: Terms) -> bool:
        """Tell whether the assignment must be made anew, whatever is left."""
        return not self.stands(now) or self.day != day or self.terms not in {None, terms}

    @property
    def low(self) -> bool:
        """Tell whether what it holds may not last for two more intervals."""
        return self.refused > 0 or self.outstanding < 2 * (self.calls or 0)

    def idle(self, now: datetime) -> bool:
        return self.busy_at is not None and now - self.busy_at > IDLE_AFTER
