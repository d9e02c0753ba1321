"""One row per run of the search: who ran it with which model, how many people were read, and what came out.

Lifecycle: RUNNING → FINISHED | FAILED; a run that was killed is INTERRUPTED as soon as the next one begins. A
run holds no pair: what was found are cases of `reconciliation`, each pair once for ever.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_ZERO = text("0")


class DedupeRun(Base):
    __tablename__ = "dedupe_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    engine: Mapped[str]
    model_version: Mapped[str]
    officer: Mapped[str]
    case_id: Mapped[str]
    """The dossier that the run belongs to."""
    persons: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    """How many records were read."""
    sure: Mapped[int] = mapped_column(server_default=_ZERO)
    review: Mapped[int] = mapped_column(server_default=_ZERO)
    opened: Mapped[int] = mapped_column(server_default=_ZERO)
    """Cases that this run opened."""
    known: Mapped[int] = mapped_column(server_default=_ZERO)
    """Pairs that had a case before, whatever became of it."""
    deferred: Mapped[int] = mapped_column(server_default=_ZERO)
    """Pairs that wait for another case about one of their records."""
    started_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
