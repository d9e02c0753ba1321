"""One row per run of the search: who wanted it with which model, how far it is, and what came out.

Lifecycle: that of `operator_runs`, with RUNNING → FINISHED | FAILED | CANCELLED behind it; the command
begins at RUNNING. A run that was killed stays RUNNING until it is taken up again, or is INTERRUPTED when
its work files are lost. Invariants: the counts say what the first `settled` pairs came to, and change in
the transaction that opens their cases. A run holds no pair: what was found are cases of `reconciliation`,
each pair once for ever.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.dedupe.errors import DedupeRunNotFound, DedupeRunUnderWay, DedupeStepRefused
from svc_population.dedupe.vocabulary import RunState
from svc_population.operator_runs.models import OperatorRun
from svc_population.tables import Base

_ZERO = text("0")
_OPEN = text("state IN ('REQUESTED', 'APPROVED', 'RUNNING', 'CANCELLING')")
_TIME = TIMESTAMP(timezone=True)


class DedupeRun(OperatorRun, Base):
    __tablename__ = "dedupe_runs"
    __table_args__ = (Index("uq_dedupe_runs_open", text("(true)"), unique=True, postgresql_where=_OPEN),)

    kind = "dedupe_run"
    system = "dedupe"
    operation = "population.find_duplicates"
    not_found = DedupeRunNotFound
    under_way = DedupeRunUnderWay
    step_refused = DedupeStepRefused
    counted = ("persons", "sure", "review", "opened", "known", "deferred", "resumed")

    stage: Mapped[str | None]
    engine: Mapped[str]
    model_version: Mapped[str]
    """Empty until a process takes the run up."""
    model_digest: Mapped[str | None]
    persons: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    """How many records were read."""
    parts: Mapped[int] = mapped_column(server_default=_ZERO)
    """In how many parts everybody is compared with everybody."""
    compared: Mapped[int] = mapped_column(server_default=_ZERO)
    """How many of them are done."""
    pairs: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    """Pairs of the compared parts, in both zones."""
    settled: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    """How many of them have a case, had one, or wait."""
    sure: Mapped[int] = mapped_column(server_default=_ZERO)
    review: Mapped[int] = mapped_column(server_default=_ZERO)
    rules: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    """Pairs by the rule of the model that put them into their zone."""
    opened: Mapped[int] = mapped_column(server_default=_ZERO)
    """Cases that this run opened."""
    known: Mapped[int] = mapped_column(server_default=_ZERO)
    """Pairs that had a case before, whatever became of it."""
    deferred: Mapped[int] = mapped_column(server_default=_ZERO)
    """Pairs that wait for another case about one of their records."""
    resumed: Mapped[int] = mapped_column(server_default=_ZERO)
    """How often it was taken up after its process was gone."""
    started_at: Mapped[datetime | None] = mapped_column(_TIME)
    erased_at: Mapped[datetime | None] = mapped_column(_TIME)
    """When the work files of a run that ended were gone: they hold what is compared of everybody."""

    def cancel(self, login: str) -> None:
        """Stop it: at once when nothing was read, else between two pieces of work.

        Raises:
            DedupeStepRefused: it has ended.
        """
        if self.state in {RunState.RUNNING, RunState.CANCELLING}:
            self.state, self.cancelled_by = RunState.CANCELLING.value, login
            return
        super().cancel(login)
        # No process has read anything for it.
        self.erased_at = func.clock_timestamp()
