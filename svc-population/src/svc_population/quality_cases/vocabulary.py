"""States of a run that opens cases."""

from enum import StrEnum


class CaseRunState(StrEnum):
    """REQUESTED → APPROVED → FINISHED | FAILED; CANCELLED from the first two."""

    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    """The rule is not counted any more."""
    CANCELLED = "CANCELLED"
