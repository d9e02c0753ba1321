"""Words of quality: dimensions, whom a rule is about, and the kinds of condition a rule can have."""

from enum import StrEnum


class Dimension(StrEnum):
    """The four demands on population data: "đúng, đủ, sạch, sống"."""

    CORRECT = "CORRECT"
    COMPLETE = "COMPLETE"
    CLEAN = "CLEAN"
    LIVE = "LIVE"


DIMENSION_NAMES: dict[Dimension, tuple[str, str]] = {
    Dimension.CORRECT: ("Đúng", "Correct"),
    Dimension.COMPLETE: ("Đủ", "Complete"),
    Dimension.CLEAN: ("Sạch", "Clean"),
    Dimension.LIVE: ("Sống", "Live"),
}


class Scope(StrEnum):
    """Whom a rule is about: those alive or missing, those dead or declared dead, or all."""

    LIVING = "LIVING"
    DEAD = "DEAD"
    ALL = "ALL"


class Condition(StrEnum):
    """What makes a record break a rule; columns and parameters are the rule's."""

    EMPTY = "EMPTY"
    """None of the columns has a value."""
    NUMBER_SEX_DIFFERS = "NUMBER_SEX_DIFFERS"
    NUMBER_BIRTH_YEAR_DIFFERS = "NUMBER_BIRTH_YEAR_DIFFERS"
    """The number's digits of century and year say another year of birth."""
    NUMBER_PLACE_UNKNOWN = "NUMBER_PLACE_UNKNOWN"
    BEFORE = "BEFORE"
    """The first column's day lies before the second's."""
    AFTER_RECORDING = "AFTER_RECORDING"
    """The column's day lies after the day on which the version was recorded."""
    COMMUNE_UNKNOWN = "COMMUNE_UNKNOWN"
    """No list ever had the code."""
    COMMUNE_ABOLISHED = "COMMUNE_ABOLISHED"
    """A former list had the code, today's has not."""
    PROVINCE_DIFFERS = "PROVINCE_DIFFERS"
    """The commune (first column) lies in another province than the second column says."""
    NOT_COMPOSED = "NOT_COMPOSED"
    """A text is not in Unicode's composed form (NFC)."""
    MATCHES = "MATCHES"
    """A text matches the pattern."""
    MATCHES_NOT = "MATCHES_NOT"
    """A text is there and does not match the pattern."""
    AGE_PASSED = "AGE_PASSED"
    """Who was born in the year of the column's day passed the age of `years`; counted from 1 January."""
    DAY_PASSED = "DAY_PASSED"
    """The column's day is over."""


TIMED = frozenset({Condition.AGE_PASSED, Condition.DAY_PASSED})
"""Conditions that come true by the passing of time alone."""
UNITS = frozenset({Condition.COMMUNE_UNKNOWN, Condition.COMMUNE_ABOLISHED, Condition.PROVINCE_DIFFERS})
