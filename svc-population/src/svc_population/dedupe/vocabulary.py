"""The words of the search for duplicates: zones of a pair, states and stages of a run, engines."""

from enum import StrEnum


class Zone(StrEnum):
    """How likely a pair is one person. No zone merges anything: two officers do, in `mergers`."""

    SURE = "SURE"
    """Likely, and something beyond name and birth date speaks for it."""
    REVIEW = "REVIEW"
    NO = "NO"


class RunState(StrEnum):
    REQUESTED = "REQUESTED"
    """One operator asked for it; another one must approve."""
    APPROVED = "APPROVED"
    """It waits for a worker."""
    RUNNING = "RUNNING"
    """A killed one, too, until a process takes it up again."""
    CANCELLING = "CANCELLING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"
    """Killed, and its work files are gone or of another model: the next run began anew."""


OPEN_STATES = (RunState.REQUESTED, RunState.APPROVED, RunState.RUNNING, RunState.CANCELLING)


class Stage(StrEnum):
    """What a running search does; each stage's result is kept, so a killed run goes on behind it."""

    READING = "READING"
    COMPARING = "COMPARING"
    OPENING = "OPENING"


class EngineName(StrEnum):
    DUCKDB = "duckdb"
    SPARK = "spark"
