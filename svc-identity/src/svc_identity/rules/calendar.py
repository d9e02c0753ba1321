"""Which rule held on a day, when a deadline ends, and when a person reaches an age."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

VIETNAM = timezone(timedelta(hours=7))
_SATURDAY = 5


class CardState(StrEnum):
    """What the applicant's card says on the day of the application; it decides the deadline."""

    VALID = "VALID"
    EXPIRED_OR_NONE = "EXPIRED_OR_NONE"


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    valid_from: date
    valid_to: date | None = None
    source: str

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class AgeRule(_Rule):
    rule: str
    years: int


class DeadlineRule(_Rule):
    card: CardState
    level: int
    working_days: int


class Reopening(StrEnum):
    """What unlocks an account when a registered death is cancelled."""

    BY_ITSELF = "BY_ITSELF"
    OFFICE = "OFFICE"


class ReopeningRule(_Rule):
    account: Reopening


class Rules(BaseModel):
    """The code list `rules.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ages: tuple[AgeRule, ...]
    deadlines: tuple[DeadlineRule, ...]
    after_cancelled_death: tuple[ReopeningRule, ...]

    def reopening(self, day: date) -> Reopening:
        """Return who unlocks an account after a cancelled death; where no rule held, an office."""
        return next((r.account for r in self.after_cancelled_death if r.holds(day)), Reopening.OFFICE)

    def age(self, rule: str, day: date) -> int:
        """Return the years of an age rule on a day.

        Raises:
            LookupError: no such rule held on that day.
        """
        for entry in self.ages:
            if entry.rule == rule and entry.holds(day):
                return entry.years
        raise LookupError(f"no rule {rule} on {day}")

    def due_on(self, *, card: CardState, level: int, received_on: date) -> date | None:
        """Return the last day for a decision, or None when the law gives this case no account."""
        for entry in self.deadlines:
            if entry.card is card and entry.level == level and entry.holds(received_on):
                return after_working_days(received_on, entry.working_days)
        return None


@cache
def rules() -> Rules:
    """Return the rules of this release."""
    return Rules.model_validate(json.loads(files(__package__).joinpath("rules.json").read_text("utf-8")))


def today() -> date:
    """Return the day in Viet Nam."""
    return datetime.now(UTC).astimezone(VIETNAM).date()


def after_working_days(start: date, days: int) -> date:
    """Count Monday to Friday after the start; public holidays are announced yearly and not counted out."""
    day = start
    while days > 0:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY:
            days -= 1
    return day


def birthday(birth_date: date, years: int) -> date:
    """Return the day on which the age is full; someone born on 29 February turns on 1 March."""
    try:
        return birth_date.replace(year=birth_date.year + years)
    except ValueError:
        return date(birth_date.year + years, 3, 1)
