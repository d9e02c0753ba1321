"""A check: one question of a clinic's clerk and the code it was answered with; written once, never changed.

Questions that were refused because too many before had been wrong are kept as well, without a code.
"""

from datetime import date, datetime
from uuid import UUID

from ndx_chassis.ids import new_id
from sqlalchemy import CheckConstraint, Index, Text, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_insurance_link.tables import Base


class EntitlementCheck(Base):
    __tablename__ = "entitlement_checks"
    __table_args__ = (
        CheckConstraint("result_code ~ '^[0-9]{3}$'", name="result_code"),
        Index("ix_entitlement_checks_wrong", "agency", "occurred_at", postgresql_where=text("wrong")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    occurred_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )
    agency: Mapped[str] = mapped_column(Text)
    system: Mapped[str] = mapped_column(Text)
    clerk_name: Mapped[str] = mapped_column(Text)
    clerk_id: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(Text)
    asked_key: Mapped[str] = mapped_column(Text)
    """A hash of the key that was asked for: enough to count guesses."""
    participant_id: Mapped[UUID | None]
    visit_date: Mapped[date]
    result_code: Mapped[str | None] = mapped_column(Text)
    wrong: Mapped[bool]
    """Nobody was found, or what was claimed did not fit. Not so when nobody is found again shortly after."""
    request_id: Mapped[str] = mapped_column(Text)
