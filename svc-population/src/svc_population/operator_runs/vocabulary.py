"""How every run that operators ask for begins, and how one that is stopped ends."""

from enum import StrEnum


class Step(StrEnum):
    """States that every kind of run has; what lies behind APPROVED is each kind's own."""

    REQUESTED = "REQUESTED"
    """One operator asked for it; another one must approve."""
    APPROVED = "APPROVED"
    """It waits for its work to be done."""
    CANCELLED = "CANCELLED"


NOT_BEGUN = (Step.REQUESTED, Step.APPROVED)
