"""Birth dates as records really hold them: partly known, as 1 January of a year, day and month swapped."""

import calendar
import re
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

FIRST_YEAR, LAST_YEAR = 1850, 2399
PATTERN = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"
_SHAPE = re.compile(PATTERN)


class DateUnclear(ValueError):
    """What was given is no day, month or year in which somebody can be born."""


class DateAgreement(IntEnum):
    """How near a stated birth date is to a stored one; a larger number is nearer."""

    DIFFERENT = 0
    NEAR_YEAR = 1
    """Day and month agree, the years are one apart: a year of the lunar calendar."""
    SWAPPED = 2
    """Day and month have changed places."""
    PARTIAL = 3
    """They agree as far as both are known; 1 January stands for "only the year is known"."""
    EXACT = 4


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A year, a month or a day."""

    year: int
    month: int | None = None
    day: int | None = None

    @classmethod
    def parse(cls, text: str) -> "PartialDate":
        """Read `1990`, `1990-05` or `1990-05-17`.

        Raises:
            DateUnclear: it has another form, or there is no such day.
        """
        if not _SHAPE.fullmatch(text):
            raise DateUnclear("a birth date is a year, a month or a day: 1990, 1990-05, 1990-05-17")
        parts = [int(part) for part in text.split("-")]
        try:
            date(*[*parts, 1, 1][:3])
        except ValueError:
            raise DateUnclear("there is no such day") from None
        if not FIRST_YEAR <= parts[0] <= LAST_YEAR:
            raise DateUnclear(f"birth years are {FIRST_YEAR} to {LAST_YEAR}")
        return cls(*parts)

    @property
    def only_year(self) -> bool:
        """Tell whether no more than the year is known, be it said plainly or as 1 January."""
        return self.month is None or (self.month, self.day) == (1, 1)

    @property
    def span(self) -> tuple[date, date]:
        """Return the first and last day that this can mean, read literally."""
        if self.month is None:
            return date(self.year, 1, 1), date(self.year, 12, 31)
        if self.day is None:
            last = calendar.monthrange(self.year, self.month)[1]
            return date(self.year, self.month, 1), date(self.year, self.month, last)
        day = date(self.year, self.month, self.day)
        return day, day

    def near_spans(self) -> tuple[tuple[date, date], ...]:
        """Return where a record of the same person can stand: also as a bare year, or with parts swapped."""
        if self.only_year:
            return ((date(self.year, 1, 1), date(self.year, 12, 31)),)
        unknown = date(self.year, 1, 1)
        found = [self.span, (unknown, unknown)]
        if self.day is not None and self.month is not None and self.day <= 12 and self.day != self.month:  # noqa: PLR2004 - months
            swapped = date(self.year, self.day, self.month)
            found.append((swapped, swapped))
        return tuple(found)

    def match_spans(self) -> tuple[tuple[date, date], ...]:
        """Return the near spans, and the same day of the years beside it: lunar and solar years differ."""
        if self.day is None or self.month is None or self.only_year:
            return self.near_spans()
        beside = []
        for year in (self.year - 1, self.year + 1):
            if self.day <= calendar.monthrange(year, self.month)[1]:
                day = date(year, self.month, self.day)
                beside.append((day, day))
        return (*self.near_spans(), *beside)

    def agreement(self, stored: date) -> DateAgreement:
        """Tell how near this is to a stored date."""
        if self.day is not None and stored == self.span[0]:
            return DateAgreement.EXACT
        first, last = self.span
        stored_unknown = (stored.month, stored.day) == (1, 1)
        if first <= stored <= last or (stored.year == self.year and (self.only_year or stored_unknown)):
            return DateAgreement.PARTIAL
        if (stored.year, stored.month, stored.day) == (self.year, self.day, self.month):
            return DateAgreement.SWAPPED
        if (stored.month, stored.day) == (self.month, self.day) and abs(stored.year - self.year) == 1:
            return DateAgreement.NEAR_YEAR
        return DateAgreement.DIFFERENT
