"""Types and states of a case, and the fields that can be in dispute."""

from enum import StrEnum

from ndx_contracts.field_groups import FieldGroup


class CaseKind(StrEnum):
    ID_NOT_FOUND = "ID_NOT_FOUND"
    NAME_DIFF = "NAME_DIFF"
    DOB_DIFF = "DOB_DIFF"
    SEX_DIFF = "SEX_DIFF"
    LEGACY_ID_DIFF = "LEGACY_ID_DIFF"
    """Another 9-digit number of old."""
    DUP_IN_AGENCY = "DUP_IN_AGENCY"
    """One person twice at the agency."""
    DUP_ID = "DUP_ID"
    """Two people under one number."""
    DEAD_IN_ONE = "DEAD_IN_ONE"
    """Dead in one of the registers only."""
    STATUS_STALE = "STATUS_STALE"
    QUALITY_FAULT = "QUALITY_FAULT"
    """A record of this register breaks a rule of quality; the first step names the rule."""


class CaseState(StrEnum):
    """OPEN → AUTO_MATCHED | CLERICAL_REVIEW → CONFIRMED_… | CORRECTION_SENT → RESOLVED; reopened by evidence.

    OPEN lasts as long as the transaction that compares; it is seen by nobody.
    """

    OPEN = "OPEN"
    AUTO_MATCHED = "AUTO_MATCHED"
    CLERICAL_REVIEW = "CLERICAL_REVIEW"
    CONFIRMED_SAME = "CONFIRMED_SAME"
    CONFIRMED_DIFFERENT = "CONFIRMED_DIFFERENT"
    CORRECTION_SENT = "CORRECTION_SENT"
    RESOLVED = "RESOLVED"


NEXT: dict[CaseState, frozenset[CaseState]] = {
    CaseState.CLERICAL_REVIEW: frozenset(
        {CaseState.CONFIRMED_SAME, CaseState.CONFIRMED_DIFFERENT, CaseState.CORRECTION_SENT}
    ),
    CaseState.CONFIRMED_SAME: frozenset({CaseState.RESOLVED}),
    CaseState.CONFIRMED_DIFFERENT: frozenset({CaseState.CORRECTION_SENT, CaseState.RESOLVED}),
    CaseState.CORRECTION_SENT: frozenset({CaseState.RESOLVED}),
}
"""Which outcome may follow which state."""
REOPENED_FROM = frozenset(
    {
        CaseState.AUTO_MATCHED,
        CaseState.CONFIRMED_SAME,
        CaseState.CONFIRMED_DIFFERENT,
        CaseState.CORRECTION_SENT,
        CaseState.RESOLVED,
    }
)
WAITING = (CaseState.CLERICAL_REVIEW, CaseState.CORRECTION_SENT)
"""States in which the deadline runs."""


class CaseOutcome(StrEnum):
    MERGED = "MERGED"
    """Two officers merged the two records that the case was about."""


class Routing(StrEnum):
    """Whose officers settle a case."""

    COMMUNE = "COMMUNE"
    PROVINCE = "PROVINCE"
    """No commune of today is known to be the one: none was stated, or its people went to several."""
    COUNTRY = "COUNTRY"
    """No province is known either: only whoever is responsible for the whole country sees it."""


class DisputedField(StrEnum):
    BIRTH_NAME = "birth_name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    NATIONALITY = "nationality"
    ETHNICITY_CODE = "ethnicity_code"
    LEGACY_ID_NUMBER = "legacy_id_number"
    MARITAL_STATUS = "marital_status"
    LIFE_STATUS = "life_status"
    PERMANENT_COMMUNE_CODE = "permanent_commune_code"


GROUP_OF: dict[DisputedField, FieldGroup] = {
    DisputedField.BIRTH_NAME: FieldGroup.BIRTH_NAME,
    DisputedField.BIRTH_DATE: FieldGroup.BIRTH_DATE,
    DisputedField.SEX: FieldGroup.SEX,
    DisputedField.NATIONALITY: FieldGroup.NATIONALITY,
    DisputedField.ETHNICITY_CODE: FieldGroup.ETHNICITY,
    DisputedField.LEGACY_ID_NUMBER: FieldGroup.LEGACY_ID_NUMBER,
    DisputedField.MARITAL_STATUS: FieldGroup.MARITAL_STATUS,
    DisputedField.LIFE_STATUS: FieldGroup.DEATH_OR_MISSING_DATE,
    DisputedField.PERMANENT_COMMUNE_CODE: FieldGroup.PERMANENT_RESIDENCE,
}
