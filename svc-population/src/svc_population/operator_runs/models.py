"""What a run that operators ask for has in common with all others: whose it is, and its life.

Lifecycle: REQUESTED → APPROVED → what the kind of run does → CANCELLED, or an end of the kind's own. Each
kind has a table of its own, with its own states and counts. Invariants: who approves did not request; what
has ended is neither approved nor cancelled; one run of a kind that has not ended (a partial unique index of
each table).
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.operator_runs.errors import SecondOperatorNeeded
from svc_population.operator_runs.vocabulary import NOT_BEGUN, Step
from svc_population.operators.owner import OWNER

_TIME = TIMESTAMP(timezone=True)


class OperatorRun:
    """The columns and steps of a kind of run, to be mixed into its table."""

    kind: ClassVar[str]
    """What the audit calls it: `dedupe_run`, and `dedupe-run` as an entity."""
    system: ClassVar[str]
    operation: ClassVar[str]
    """As what, and for what, it opens cases in the owner's name."""
    not_found: ClassVar[type[DomainError]]
    under_way: ClassVar[type[DomainError]]
    step_refused: ClassVar[type[DomainError]]
    named: ClassVar[tuple[str, ...]] = ("case_id",)
    """What the audit of an operator's step says of the run, beside its state."""
    counted: ClassVar[tuple[str, ...]]
    """What the audit of its end says it came to."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    case_id: Mapped[str]
    """The dossier that the run belongs to."""
    officer: Mapped[str]
    """Who wanted it."""
    approved_by: Mapped[str | None]
    cancelled_by: Mapped[str | None]
    requested_at: Mapped[datetime] = mapped_column(_TIME, server_default=text("clock_timestamp()"))
    progress_at: Mapped[datetime | None] = mapped_column(_TIME)
    """When it last got further."""
    finished_at: Mapped[datetime | None] = mapped_column(_TIME)

    @property
    def requested_by(self) -> str:
        return self.officer

    @classmethod
    def entity_type(cls) -> str:
        return cls.kind.replace("_", "-")

    def approve(self, login: str) -> None:
        """Let the work be done.

        Raises:
            SecondOperatorNeeded: the operator asked for it.
            step_refused: it was approved or has ended.
        """
        if self.officer.casefold() == login.casefold():
            raise SecondOperatorNeeded
        if self.state != Step.REQUESTED:
            raise self.step_refused(f"It is {self.state}.")
        self.state, self.approved_by = Step.APPROVED.value, login

    def cancel(self, login: str) -> None:
        """Stop it; a kind whose work cannot stop at once has a way of its own.

        Raises:
            step_refused: it has ended.
        """
        if self.state not in NOT_BEGUN:
            raise self.step_refused(f"It is {self.state}.")
        self.end(Step.CANCELLED)
        self.cancelled_by = login

    def end(self, state: str) -> None:
        self.state, self.finished_at = str(state), func.clock_timestamp()

    def caller(self) -> Caller:
        """Return in whose name it does what was asked."""
        return Caller(
            agency=OWNER,
            system=self.system,
            agreement="",
            purpose="",
            case_id=self.case_id,
            officer=self.officer,
            request_id=str(self.id),
            operation=self.operation,
        )
