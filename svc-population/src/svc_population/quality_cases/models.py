"""A run that opens a reconciliation case for everybody who breaks a rule of quality.

Lifecycle: that of `operator_runs`, with nothing between APPROVED and the end (`CaseRunState`). Invariants:
position and counts change in the transaction that opens the cases of a slice, so that a run whose process was
killed goes on behind its last slice. `communes` are those that had somebody when it began; what is done is
taken off.
"""

from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.operator_runs.models import OperatorRun
from svc_population.quality_cases.errors import (
    QualityCaseRunNotFound,
    QualityCaseRunUnderWay,
    QualityCaseStepRefused,
)
from svc_population.tables import Base

_ZERO = text("0")
_OPEN = text("state IN ('REQUESTED', 'APPROVED')")


class QualityCaseRun(OperatorRun, Base):
    __tablename__ = "quality_case_runs"
    __table_args__ = (
        Index("uq_quality_case_runs_open", text("(true)"), unique=True, postgresql_where=_OPEN),
    )

    kind = "quality_case_run"
    system = "quality"
    operation = "population.open_quality_cases"
    not_found = QualityCaseRunNotFound
    under_way = QualityCaseRunUnderWay
    step_refused = QualityCaseStepRefused
    named = ("rule", "case_id")
    counted = ("looked", "opened", "known", "deferred", "nowhere")

    rule: Mapped[str]
    province_code: Mapped[str | None]
    """Only people of this province; null: everywhere."""
    communes: Mapped[list[str] | None] = mapped_column(ARRAY(String))
    """Communes that are left, the first one under way; null before the run began."""
    after_person: Mapped[UUID | None]
    """The last person of the commune under way."""
    looked: Mapped[int] = mapped_column(server_default=_ZERO)
    """People who broke the rule when they were looked at."""
    opened: Mapped[int] = mapped_column(server_default=_ZERO)
    known: Mapped[int] = mapped_column(server_default=_ZERO)
    """Faults that had a case before, whatever became of it."""
    deferred: Mapped[int] = mapped_column(server_default=_ZERO)
    """People about whom another case of this kind waits."""
    nowhere: Mapped[int] = mapped_column(server_default=_ZERO)
    """People who are registered nowhere, so that no commune can look: they get no case."""

    @property
    def communes_left(self) -> int | None:
        """How many communes are left; None before the run began."""
        return None if self.communes is None else len(self.communes)
