"""An entitlement: an interval of days in which a participant is covered.

Opened once, ended at most once, never deleted. `valid_to` is the last day that the rule gives; `ended_on`
the last day in fact, when something ended it early. A person has at most one entitlement as a child under 6.
Of two records that are merged the duplicate's ends (PERSONS_MERGED); only that end is taken back, when the
merger is undone.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ndx_chassis.ids import new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_insurance_link.tables import Base


class EndCause(StrEnum):
    """Why an entitlement ended early; each has its result code at the counter."""

    DEATH = "DEATH"
    WITHDRAWN = "WITHDRAWN"
    MOVED_OUT_OF_PROVINCE = "MOVED_OUT_OF_PROVINCE"
    MOVED_WITHIN_PROVINCE = "MOVED_WITHIN_PROVINCE"
    READDED_AT_SAME_UNIT = "READDED_AT_SAME_UNIT"
    STOPPED = "STOPPED"
    PERSONS_MERGED = "PERSONS_MERGED"
    """The record was a duplicate of another one, whose entitlement goes on."""


class Entitlement(Base):
    __tablename__ = "entitlements"
    __table_args__ = (
        CheckConstraint("participant_group ~ '^[A-Z]{2}$'", name="participant_group"),
        CheckConstraint("benefit_level BETWEEN 1 AND 5", name="benefit_level"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="interval"),
        CheckConstraint("(ended_on IS NULL) = (end_cause IS NULL)", name="ended"),
        Index("ix_entitlements_participant_id", "participant_id", "valid_from"),
        Index(
            "uq_entitlements_child_under_6",
            "participant_id",
            unique=True,
            postgresql_where=text("kind = 'CHILD_UNDER_6'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participants.id"))
    kind: Mapped[str] = mapped_column(Text)
    participant_group: Mapped[str] = mapped_column(Text)
    benefit_level: Mapped[int] = mapped_column(SmallInteger)
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    ended_on: Mapped[date | None]
    end_cause: Mapped[str | None] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )
