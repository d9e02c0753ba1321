"""Cases as they are opened, decided and answered."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from pydantic import Field, StringConstraints, model_validator

from svc_population.reconciliation.vocabulary import (
    CaseKind,
    CaseOutcome,
    CaseState,
    DisputedField,
    Routing,
)

Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
MOST_CASES = 1000


class StatementIn(Input):
    """A field as the agency has it; dates as 2026-11-24."""

    field: DisputedField
    value: Words


class CaseIn(Input):
    """A difference that an agency found; `commune_code` is where it knows the person to live."""

    reference: Words
    kind: CaseKind
    personal_id: PersonalId
    disputed: tuple[StatementIn, ...] = Field(max_length=9, default=())
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None
    evidence: tuple[Words, ...] = Field(max_length=10, default=())

    @model_validator(mode="after")
    def _each_field_once(self) -> "CaseIn":
        fields = [d.field for d in self.disputed]
        if len(fields) != len(set(fields)):
            raise ValueError("a field stands twice")
        if self.kind is CaseKind.QUALITY_FAULT:
            raise ValueError("only this register opens cases of this kind")
        if self.kind.value.endswith("_DIFF") and not fields:
            raise ValueError("state the field that differs")
        return self


class CasesIn(Input):
    items: tuple[CaseIn, ...] = Field(min_length=1, max_length=MOST_CASES)


class OpenedOut(Output):
    """What became of one: AUTO_MATCHED, or under review until the deadline; `is_new` false: known before."""

    reference: str
    case_id: UUID
    kind: CaseKind
    state: CaseState
    deadline: date
    routed_to: Routing
    is_new: bool


class OpenedCasesOut(Output):
    """One answer for each item, in their order."""

    items: tuple[OpenedOut, ...]


class OwnCaseOut(Output):
    """A case as the agency that opened it sees it: never this register's values."""

    case_id: UUID
    reference: str
    personal_id: PersonalId
    other_personal_id: PersonalId | None
    """The other record, where one person may have two."""
    kind: CaseKind
    state: CaseState
    outcome: CaseOutcome | None
    """What settled it without the commune."""
    deadline: date
    overdue: bool
    routed_to: Routing
    """Whose officers settle it: by the units of today."""
    differing: tuple[DisputedField, ...]


class OwnCasesOut(Output):
    items: tuple[OwnCaseOut, ...]
    next_cursor: UUID | None


class DisputeOut(Output):
    field: DisputedField
    theirs: str
    ours: str | None
    agrees: bool


class StepOut(Output):
    state: CaseState
    on: date
    agency: str
    officer: str | None
    note: str | None
    evidence: tuple[str, ...]


class CaseOut(OwnCaseOut):
    """A case as the commune's officers see it: both sides of the disputed fields, and nothing else."""

    agency: str
    province_code: str | None
    commune_code: str | None
    """Units of today; null where `routed_to` says that none is known."""
    disputed: tuple[DisputeOut, ...]
    steps: tuple[StepOut, ...]


class CasesOut(Output):
    """Waiting cases, those due first first."""

    items: tuple[CaseOut, ...]
    next_cursor: str | None


class OutcomeIn(Input):
    state: Literal[
        CaseState.CONFIRMED_SAME,
        CaseState.CONFIRMED_DIFFERENT,
        CaseState.CORRECTION_SENT,
        CaseState.RESOLVED,
    ]
    note: Words
    evidence: tuple[Words, ...] = Field(max_length=10, default=())


class ReopenIn(Input):
    note: Words
    evidence: tuple[Words, ...] = Field(min_length=1, max_length=10)
