"""The words of the search for duplicates: zones of a pair, states of a run, engines."""

from enum import StrEnum


class Zone(StrEnum):
    """How likely a pair is one person. No zone merges anything: two officers do, in `mergers`."""

    SURE = "SURE"
    """Likely, and something beyond name and birth date speaks for it."""
    REVIEW = "REVIEW"
    NO = "NO"


class RunState(StrEnum):
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
    """Killed; the next run found it so and began anew."""


class EngineName(StrEnum):
    DUCKDB = "duckdb"
    SPARK = "spark"
