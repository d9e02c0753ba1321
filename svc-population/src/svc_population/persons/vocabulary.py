"""Words of persons: states of a life, of a marriage, and kinds of change."""

from enum import StrEnum


class LifeStatus(StrEnum):
    ALIVE = "ALIVE"
    MISSING = "MISSING"
    DECLARED_DEAD = "DECLARED_DEAD"
    DECEASED = "DECEASED"


class ChangeKind(StrEnum):
    """Whether something new happened in a life, or the record was wrong about it."""

    CHANGE = "CHANGE"
    CORRECTION = "CORRECTION"


class MaritalStatus(StrEnum):
    SINGLE = "SINGLE"
    MARRIED = "MARRIED"
    DIVORCED = "DIVORCED"
    WIDOWED = "WIDOWED"
