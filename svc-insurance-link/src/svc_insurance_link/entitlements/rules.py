"""Which interval the law gives: rules are dated data, this module only does their arithmetic."""

import json
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

CHILD_UNDER_6 = "CHILD_UNDER_6"
KINDS = (CHILD_UNDER_6,)


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule. `school_year_cutoff` is month and day, or None where the law names none."""

    name: str
    kind: str
    in_force_from: date
    in_force_to: date | None
    participant_group: str
    benefit_level: int
    months: int
    school_year_cutoff: tuple[int, int] | None

    def in_force(self, day: date) -> bool:
        return self.in_force_from <= day and (self.in_force_to is None or day <= self.in_force_to)

    def last_day(self, birth_date: date) -> date:
        """Return the last day covered: full age in months, or the start of school when that is later."""
        full_age = add_months(birth_date, self.months)
        if self.school_year_cutoff is None:
            return full_age
        return max(full_age, date(full_age.year, *self.school_year_cutoff))


@dataclass(frozen=True, slots=True)
class Interval:
    """What a rule gives to one person; both days are covered."""

    kind: str
    participant_group: str
    benefit_level: int
    valid_from: date
    valid_to: date
    rule: str


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month; where the month is too short, its last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


@cache
def child_under_6_rules() -> tuple[Rule, ...]:
    """Return the versions of the rule, oldest first."""
    text = files(__package__).joinpath("rules_data/child_under_6.json").read_text(encoding="utf-8")
    document = json.loads(text)
    return tuple(_rule(document["kind"], version) for version in document["versions"])


def _rule(kind: str, version: dict[str, str | int | None]) -> Rule:
    until, cutoff = version["in_force_to"], version["school_year_cutoff"]
    if version["starts"] != "BIRTH_DATE":
        raise ValueError(f"rule {version['rule']}: unknown start {version['starts']}")
    month, _, day = str(cutoff or "").partition("-")
    return Rule(
        name=str(version["rule"]),
        kind=kind,
        in_force_from=date.fromisoformat(str(version["in_force_from"])),
        in_force_to=None if until is None else date.fromisoformat(str(until)),
        participant_group=str(version["participant_group"]),
        benefit_level=int(version["benefit_level"] or 0),
        months=int(version["months"] or 0),
        school_year_cutoff=None if cutoff is None else (int(month), int(day)),
    )


def child_under_6(birth_date: date, *, on: date) -> Interval | None:
    """Return what the rule in force on a day gives a person born then; None when there was no rule yet.

    The interval may be over by that day: a late registration opens nothing, a corrected birth date moves
    what was opened.
    """
    rule = next((r for r in child_under_6_rules() if r.in_force(on)), None)
    if rule is None:
        return None
    return Interval(
        kind=rule.kind,
        participant_group=rule.participant_group,
        benefit_level=rule.benefit_level,
        valid_from=birth_date,
        valid_to=rule.last_day(birth_date),
        rule=rule.name,
    )


def resuming_kinds(on: date) -> tuple[str, ...]:
    """Return the kinds that run again by themselves on a day when a death is taken back."""
    text = files(__package__).joinpath("rules_data/after_cancelled_death.json").read_text(encoding="utf-8")
    return tuple(
        rule["kind"]
        for rule in json.loads(text)["kinds"]
        if date.fromisoformat(rule["in_force_from"]) <= on
        and (rule["in_force_to"] is None or on <= date.fromisoformat(rule["in_force_to"]))
    )
