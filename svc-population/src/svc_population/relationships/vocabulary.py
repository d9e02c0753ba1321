"""How one person is related to another, and what their numbers say of it."""

from enum import StrEnum

PARENTS_LOCK = "ndx-population-parents"
"""Name of the lock under which parents change: two changes at once could close a circle."""


def year_in(number: str) -> str:
    """Return SQL for the century and year of birth that a number holds, as text that sorts."""
    return f"((translate(substr({number}, 4, 1), '13579', '02468') || substr({number}, 5, 2)) COLLATE \"C\")"


PARENT_NOT_OLDER = (
    "relation IN ('MOTHER', 'FATHER') AND related_personal_id IS NOT NULL"
    f" AND {year_in('related_personal_id')} >= {year_in('personal_id')}"
)
"""SQL for parents whose number says no earlier year than the child's; each circle of parents holds one."""


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
