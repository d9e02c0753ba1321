"""What operators say and see of a search for duplicates: counts and names of rules, never a person."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from pydantic import BeforeValidator, Field

from svc_population.dedupe.vocabulary import EngineName, RunState, Stage
from svc_population.operator_runs.schemas import CaseId, OperatorRunOut

ModelVersion = Annotated[str | None, BeforeValidator(lambda version: version or None)]
"""Null until a process takes the run up."""


class DedupeRunIn(Input):
    """The dossier under which everybody is compared with everybody."""

    case_id: CaseId


class DedupeRunOut(OperatorRunOut):
    """How far a run is, and what its settled pairs came to."""

    state: RunState
    stage: Stage | None = Field(description="What it does, or did last.")
    engine: EngineName
    model_version: ModelVersion
    model_digest: str | None
    persons: int = Field(description="Records read.")
    parts: int = Field(description="In how many parts everybody is compared with everybody.")
    compared: int = Field(description="Parts that are done.")
    pairs: int = Field(description="Pairs of these parts that are likely enough to be looked at.")
    settled: int = Field(description="Pairs that have a case, had one, or wait.")
    sure: int
    review: int
    rules: dict[str, int] = Field(description="Settled pairs by the model's rule that put them into a zone.")
    opened: int = Field(description="Cases that the run opened.")
    known: int = Field(description="Pairs that had a case before.")
    deferred: int = Field(description="Pairs that wait for another case about one of their records.")
    resumed: int = Field(description="How often it went on after its process was gone.")
    started_at: datetime | None
    erased_at: datetime | None = Field(description="When its work files were gone; null: they are there.")


class DedupeRunsOut(Output):
    """Runs, the newest first."""

    items: tuple[DedupeRunOut, ...]
    next_cursor: UUID | None
