"""Requests for numbers, and the counters behind the numbers.

A request goes RECEIVED → ISSUED | DUPLICATE_SUSPECTED | REJECTED in one transaction, and its answer is final
for its id. A number, once given, is never given to another person: the slice `persons` keeps today's numbers
as keys and former ones for ever.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_NUMBER = Text(collation="C")
_NOW = text("clock_timestamp()")


class CancellationCause(StrEnum):
    """The only lawful causes: Identity Law 26/2023/QH15 and Decree 70/2024 (cancel and re-establish)."""

    SEX_REDETERMINED = "SEX_REDETERMINED"
    BIRTH_YEAR_CORRECTED = "BIRTH_YEAR_CORRECTED"
    WRONG_ENTRY = "WRONG_ENTRY"
    """Birthplace, birth year or sex was registered wrongly through data entry or declaration."""


class PersonalIdRequest(Base):
    __tablename__ = "personal_id_requests"
    __table_args__ = (
        Index(
            "ix_personal_id_requests_birth",
            "birth_date",
            "folded_name",
            postgresql_where=text("state = 'ISSUED'"),
        ),
    )

    agency: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    state: Mapped[str]
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    personal_id: Mapped[str | None] = mapped_column(_NUMBER)
    person_id: Mapped[UUID | None]
    birth_date: Mapped[date]
    folded_name: Mapped[str]
    registration_commune_code: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)


class PersonalIdCounter(Base):
    """How many serials of a prefix were taken."""

    __tablename__ = "personal_id_counters"

    prefix: Mapped[str] = mapped_column(_NUMBER, primary_key=True)
    taken: Mapped[int]
    first_taken_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)
    """For counters from before it was kept: the day on which keeping it began."""
    announced: Mapped[int] = mapped_column(server_default=text("0"))
    """The highest threshold of `foresight` that was announced."""
