"""How one person is related to another."""

from enum import StrEnum


class Relation(StrEnum):
    MOTHER = "MOTHER"
    FATHER = "FATHER"
    SPOUSE = "SPOUSE"
    GUARDIAN = "GUARDIAN"


class RelationshipEnd(StrEnum):
    """Why a relationship is no longer true; WRONG_ENTRY: it never was."""

    DIVORCE = "DIVORCE"
    ANNULMENT = "ANNULMENT"
    DEATH = "DEATH"
    GUARDIANSHIP_ENDED = "GUARDIANSHIP_ENDED"
    PARENTAGE_CHANGED = "PARENTAGE_CHANGED"
    """Another parent was recognised or adopted the child."""
    WRONG_ENTRY = "WRONG_ENTRY"
