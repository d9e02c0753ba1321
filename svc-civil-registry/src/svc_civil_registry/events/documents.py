"""The paper that a cancellation or a correction rests on."""

from datetime import date
from enum import StrEnum

from ndx_contracts.bodies import Input
from pydantic import field_validator

from svc_civil_registry.deadlines.service import today
from svc_civil_registry.names import Words


class DocumentKind(StrEnum):
    COURT_DECISION = "COURT_DECISION"
    AUTHORITY_DECISION = "AUTHORITY_DECISION"
    """Of the body that may withdraw or decide."""
    INSPECTION_CONCLUSION = "INSPECTION_CONCLUSION"
    OTHER_PROOF = "OTHER_PROOF"
    """Any paper that shows what is true: a notice of birth or death, an identity paper, a school record."""


class DocumentIn(Input):
    kind: DocumentKind
    number: Words
    issued_by: Words
    issued_on: date

    @field_validator("issued_on")
    @classmethod
    def _possible(cls, value: date) -> date:
        if value > today():
            raise ValueError("a document is not issued in the future")
        return value
