"""Words of mergers."""

from enum import StrEnum


class MergerKind(StrEnum):
    MERGE = "MERGE"
    SPLIT = "SPLIT"
    UNDO = "UNDO"


class MergerState(StrEnum):
    PROPOSED = "PROPOSED"
    REJECTED = "REJECTED"
    DONE = "DONE"
    UNDONE = "UNDONE"


class Verdict(StrEnum):
    APPROVE = "APPROVE"
    REJECT = "REJECT"
