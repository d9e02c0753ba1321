"""The words that describe certificate authorities: kinds and states."""

from enum import StrEnum


class Kind(StrEnum):
    EMBEDDED = "EMBEDDED"
    OUTSIDE = "OUTSIDE"


class AuthorityState(StrEnum):
    REGISTERED = "REGISTERED"
    ISSUING = "ISSUING"
    TRUSTED = "TRUSTED"
    RETIRED = "RETIRED"
