"""A household and its memberships, each with the days on which it is true.

Lifecycle of a household: ACTIVE ⇄ HEAD_NEEDED → DISSOLVED. Invariants: exactly one head while ACTIVE, none
while HEAD_NEEDED (the database holds "at most one"); a person is in one household at most (held by the
database, too); no member of a DISSOLVED one. Number and relation stand in the person's own row as well, which
all reads use: both change in one transaction that holds the household's lock and then the persons'. An
imported household has only its persons' rows and gets rows here when it is first touched.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_NOW = text("clock_timestamp()")


class Household(Base):
    __tablename__ = "households"
    __table_args__ = (
        CheckConstraint("state IN ('ACTIVE', 'HEAD_NEEDED', 'DISSOLVED')", name="state"),
        CheckConstraint("(state = 'DISSOLVED') = (dissolved_on IS NOT NULL)", name="dissolved_on"),
        Index(
            "ix_households_head_needed",
            "commune_code",
            "number",
            postgresql_where=text("state = 'HEAD_NEEDED'"),
        ),
    )

    number: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), server_default=text("uuidv7()"))
    state: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    province_code: Mapped[str | None]
    commune_code: Mapped[str | None]
    address: Mapped[str | None]
    formed_on: Mapped[date | None]
    """Not known for an imported household."""
    dissolved_on: Mapped[date | None]
    source: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)


class HouseholdMember(Base):
    """A membership with one relation to the head; another relation is another row."""

    __tablename__ = "household_members"
    __table_args__ = (
        CheckConstraint("ended_on IS NULL OR ended_on >= since", name="period"),
        CheckConstraint("(ended_on IS NULL) = (end_cause IS NULL)", name="end_cause"),
        Index(
            "uq_household_members_person",
            "person_id",
            unique=True,
            postgresql_where=text("ended_on IS NULL"),
        ),
        Index(
            "uq_household_members_head",
            "household_number",
            unique=True,
            postgresql_where=text("ended_on IS NULL AND relation_to_head = 'HEAD'"),
        ),
        Index("ix_household_members_household", "household_number", "since"),
    )

    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), primary_key=True, server_default=text("uuidv7()"))
    household_number: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True))
    personal_id: Mapped[str] = mapped_column(Text(collation="C"))
    """The number at the time of recording."""
    relation_to_head: Mapped[str]
    since: Mapped[date]
    ended_on: Mapped[date | None]
    """The first day on which it is no longer true."""
    end_cause: Mapped[str | None]
    source: Mapped[str]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)


class HouseholdCounter(Base):
    """How many household numbers a commune has given in a year."""

    __tablename__ = "household_counters"

    commune_code: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    taken: Mapped[int]
