"""What operators say and see of an opening of cases: counts, never a person."""

from typing import Annotated
from uuid import UUID

from ndx_contracts.agreements import ProvinceCode
from ndx_contracts.bodies import Input, Output
from pydantic import Field, StringConstraints

from svc_population.operator_runs.schemas import CaseId, OperatorRunOut
from svc_population.quality_cases.vocabulary import CaseRunState

RuleCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{2,59}$")]


class QualityCaseRunIn(Input):
    """The rule, where, and the dossier under which cases are opened."""

    rule: RuleCode
    province_code: ProvinceCode | None = None
    case_id: CaseId


class QualityCaseRunOut(OperatorRunOut):
    """How far a run is and what came of it."""

    state: CaseRunState
    rule: str
    province_code: str | None
    communes_left: int | None = Field(description="Null before it began.")
    looked: int = Field(description="People who broke the rule when they were looked at.")
    opened: int
    known: int = Field(description="Faults that had a case before.")
    deferred: int = Field(description="People about whom another case of this kind waits.")
    nowhere: int = Field(description="People registered nowhere, who get no case.")


class QualityCaseRunsOut(Output):
    """Runs, the newest first."""

    items: tuple[QualityCaseRunOut, ...]
    next_cursor: UUID | None
