"""The register of residences: one row per registration, with the days on which it is true.

Lifecycle: REGISTERED → ENDED (`end_cause`), or REVOKED when it never was true. Invariants: one REGISTERED row
per person and kind (the database holds this, too); periods of one kind follow each other without overlap;
nobody is registered after their death. What is REGISTERED stands in the person's own row as well, which all
reads use: both change in one transaction that holds the person's lock. An imported person has only their own
row; it becomes a row here when it is first touched (`derived_id` gives it the same id before and after).
Codes of places are those of the list in force on `units_on`.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.residences.vocabulary import ResidenceState
from svc_population.tables import Base

_NOW = text("clock_timestamp()")
_RUNNING = text("state = 'REGISTERED'")


class Residence(Base):
    __tablename__ = "residences"
    __table_args__ = (
        CheckConstraint("kind IN ('PERMANENT', 'TEMPORARY', 'CURRENT', 'ABSENCE', 'STAY')", name="kind"),
        CheckConstraint("state IN ('REGISTERED', 'ENDED', 'REVOKED')", name="state"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="period"),
        CheckConstraint("(state = 'REGISTERED') = (end_cause IS NULL)", name="end_cause"),
        CheckConstraint("state <> 'ENDED' OR valid_to IS NOT NULL", name="ended"),
        CheckConstraint("kind = 'ABSENCE' OR commune_code IS NOT NULL", name="place"),
        Index("ix_residences_person_id", "person_id", "kind", "valid_from"),
        Index("uq_residences_running", "person_id", "kind", unique=True, postgresql_where=_RUNNING),
        Index("ix_residences_ending", "valid_to", postgresql_where=_RUNNING),
    )

    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True))
    personal_id: Mapped[str] = mapped_column(Text(collation="C"))
    """The number at the time of registration; a former number leads to the person all the same."""
    kind: Mapped[str]
    state: Mapped[str]
    province_code: Mapped[str | None]
    commune_code: Mapped[str | None]
    address: Mapped[str | None]
    units_on: Mapped[date]
    valid_from: Mapped[date]
    """For an imported residence without a date: the person's birth."""
    valid_to: Mapped[date | None]
    """Last day; planned while REGISTERED."""
    end_cause: Mapped[str | None]
    residence_file_number: Mapped[str | None]
    basis: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """The document that it rests on, and its day."""
    source: Mapped[str]
    registered_by: Mapped[str]
    registered_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)
    ended_by: Mapped[str | None]
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))

    @property
    def running(self) -> bool:
        return self.state == ResidenceState.REGISTERED

    def covers(self, day: date) -> bool:
        """Tell whether it was true on a day."""
        within = self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)
        return within and self.state != ResidenceState.REVOKED


class ResidenceFileCounter(Base):
    """How many residence files a commune has opened in a year."""

    __tablename__ = "residence_file_counters"

    commune_code: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    taken: Mapped[int]
