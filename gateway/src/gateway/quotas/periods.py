"""Days and months of quotas: they begin at midnight in Vietnam, or where the settings say."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The clock by which quotas begin anew, as its distance from UTC; Vietnam has no summer time."""

    offset: timedelta = timedelta(hours=7)

    def day(self, now: datetime) -> date:
        """Return the day in which a moment lies."""
        return (now.astimezone(UTC) + self.offset).date()

    def month(self, now: datetime) -> date:
        """Return the first day of the month."""
        return self.day(now).replace(day=1)

    def start(self, period: Period, now: datetime) -> date:
        return self.day(now) if period is Period.DAY else self.month(now)

    def begin(self, day: date) -> datetime:
        """Return when a day begins."""
        return datetime(day.year, day.month, day.day, tzinfo=UTC) - self.offset

    def end(self, period: Period, start: date) -> datetime:
        """Return when the period is over and the next one begins."""
        later = start + timedelta(days=1 if period is Period.DAY else 32)
        first = later if period is Period.DAY else later.replace(day=1)
        return self.begin(first)
