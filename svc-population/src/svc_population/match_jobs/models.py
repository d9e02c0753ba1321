"""A file to be matched: the job, its parts, the rows that an agreement used on a day, and the mismatches.

Lifecycle: UPLOADING → QUEUED → RUNNING → FINISHED | FAILED, and CANCELLED or EXPIRED from each state before
the end: expired is what is not started, or does not go forward, for as long as the settings say. A
job goes forward slice by slice; a slice's result, its records of disclosure and the job's position commit
together, so a process that dies leaves nothing half done and nothing is done twice. Uploaded parts are erased
when a job ends, the result and the mismatches when it expires; the row stays, with numbers only.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.match_jobs.vocabulary import JobState
from svc_population.tables import Base

_NOW = text("clock_timestamp()")
_ZERO = text("0")


class MatchJob(Base):
    __tablename__ = "match_jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('UPLOADING', 'QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'CANCELLED', 'EXPIRED')",
            name="state",
        ),
        Index("ix_match_jobs_open", "created_at", postgresql_where=text("erased_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    agency: Mapped[str]
    system: Mapped[str]
    agency_class: Mapped[str]
    officer: Mapped[str | None]
    case_id: Mapped[str | None]
    purpose: Mapped[str]
    agreement: Mapped[str]
    request_id: Mapped[str]
    signed: Mapped[bool]
    format: Mapped[str]
    compression: Mapped[str]
    columns: Mapped[list[str]] = mapped_column(ARRAY(Text))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    opens_cases: Mapped[bool] = mapped_column(server_default=text("false"))
    """Mismatches become reconciliation cases."""
    checked: Mapped[bool] = mapped_column(server_default=text("false"))
    """The whole file was found to be what `sha256` says."""
    position: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    """Bytes of the uncompressed file that are done."""
    lines: Mapped[int] = mapped_column(server_default=_ZERO)
    matched: Mapped[int] = mapped_column(server_default=_ZERO)
    mismatch: Mapped[int] = mapped_column(server_default=_ZERO)
    ambiguous: Mapped[int] = mapped_column(server_default=_ZERO)
    not_found: Mapped[int] = mapped_column(server_default=_ZERO)
    invalid: Mapped[int] = mapped_column(server_default=_ZERO)
    cases_opened: Mapped[int] = mapped_column(server_default=_ZERO)
    cases_known: Mapped[int] = mapped_column(server_default=_ZERO)
    """Differences that were a case of the agency's before, or under review."""
    slices: Mapped[int] = mapped_column(server_default=_ZERO)
    """Parts of the result that are there."""
    waiting_for: Mapped[str | None]
    """Why the job does not go on now: a problem code, such as `batch-rows-exceeded`."""
    fault: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    erased_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))

    @property
    def parts_to_fetch(self) -> int:
        """How many parts of the result there are: none where they are erased, or will be in a moment."""
        gone = self.erased_at is not None or self.state in {JobState.CANCELLED, JobState.EXPIRED}
        return 0 if gone else self.slices


match_job_parts = Table(
    "match_job_parts",
    Base.metadata,
    Column("job_id", PG_UUID(as_uuid=True), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
)
"""Parts that have arrived, numbered from 1; each lies in a file of its own."""

batch_rows = Table(
    "batch_rows",
    Base.metadata,
    Column("agreement", Text, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("rows", BigInteger, nullable=False),
)
"""Lines that were matched under an agreement on a day of Viet Nam: what its quota in rows is held against."""

match_job_mismatches = Table(
    "match_job_mismatches",
    Base.metadata,
    Column("job_id", PG_UUID(as_uuid=True), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("personal_id", Text(collation="C"), nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
)
"""Lines whose number is somebody's but which say something else of them: what reconciliation begins with."""
