"""A run that opens a reconciliation case for everybody who breaks a rule of quality.

Lifecycle: `CaseRunState`. Invariants: one run that has not ended; who approves did not request. Position and
counts change in the transaction that opens the cases of a slice, so that a run whose process was killed goes
on behind its last slice. `communes` are those that had somebody when it began; what is done is taken off.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_ZERO = text("0")
_TIME = TIMESTAMP(timezone=True)
_OPEN = text("state IN ('REQUESTED', 'APPROVED')")


class QualityCaseRun(Base):
    __tablename__ = "quality_case_runs"
    __table_args__ = (
        Index("uq_quality_case_runs_open", text("(true)"), unique=True, postgresql_where=_OPEN),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    rule: Mapped[str]
    province_code: Mapped[str | None]
    """Only people of this province; null: everywhere."""
    case_id: Mapped[str]
    """The dossier that the run belongs to."""
    officer: Mapped[str]
    approved_by: Mapped[str | None]
    cancelled_by: Mapped[str | None]
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
    requested_at: Mapped[datetime] = mapped_column(_TIME, server_default=text("clock_timestamp()"))
    progress_at: Mapped[datetime | None] = mapped_column(_TIME)
    finished_at: Mapped[datetime | None] = mapped_column(_TIME)
