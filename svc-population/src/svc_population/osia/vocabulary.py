"""Words of the OSIA facades: error numbers, operators, kinds of attributes."""

from enum import IntEnum, StrEnum

Value = str | int | float | bool
"""A value as the OSIA files have it."""


class OsiaCode(IntEnum):
    """Numbers of the error body, explained in `docs/agencies/osia.md`; 1023 is the standard's own."""

    INVALID = 1000
    IDENTIFIER_IN_QUERY = 1001
    NOT_SEARCHABLE = 1002
    TOO_MANY_FIT = 1003
    NOT_COMPARABLE = 1004
    REPEATED = 1005
    VALUE_INVALID = 1006
    NOT_SHOWN_BY_QUERY = 1007
    CONTRADICTED = 1008
    NOT_CHANGEABLE = 1009
    DUPLICATE_SUSPECTED = 1010
    REQUEST_REJECTED = 1011
    SECOND_OFFICER_DECIDES = 1012
    PROPOSAL_REJECTED = 1013
    NOT_LAWFUL = 1020
    NOT_HELD = 1021
    UNKNOWN_ATTRIBUTE = 1023
    NO_VALUE = 1024
    INTERNAL = 1500


class Operator(StrEnum):
    """How an expression compares; `!=` is not in the data access file."""

    LESS = "<"
    GREATER = ">"
    EQUAL = "="
    AT_LEAST = ">="
    AT_MOST = "<="


class Kind(StrEnum):
    """How an attribute is made from a field group, and compared."""

    TEXT = "text"
    WORDS = "words"
    NAME = "name"
    DATE = "date"
    GENDER = "gender"
    STATUS = "status"
    DATE_OF_DEATH = "date_of_death"
    SPOUSE = "spouse"
