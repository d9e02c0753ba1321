"""How one person is related to another."""

from enum import StrEnum


class Relation(StrEnum):
    MOTHER = "MOTHER"
    FATHER = "FATHER"
    SPOUSE = "SPOUSE"
