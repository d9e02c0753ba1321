"""A participant and the other keys under which clinics know one.

A participant is one person, known by the personal ID. Name, birth date and sex are a copy of the
population database with the time it was fetched; nothing else of a person is kept. A death that is known
before its participant is remembered, so that events may come in any order.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ndx_chassis.ids import new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_insurance_link.tables import Base


class CodeKind(StrEnum):
    """What an alternate key is."""

    SOCIAL_INSURANCE_NUMBER = "SOCIAL_INSURANCE_NUMBER"
    CARD_CODE = "CARD_CODE"


class CodeState(StrEnum):
    """ACTIVE → REPLACED (a newer card exists; usable until `valid_to`) | WITHDRAWN."""

    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    WITHDRAWN = "WITHDRAWN"


class Participant(Base):
    __tablename__ = "participants"
    __table_args__ = (CheckConstraint("personal_id ~ '^[0-9]{12}$'", name="personal_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    personal_id: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    birth_date: Mapped[date]
    sex: Mapped[str] = mapped_column(Text)
    fetched_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    died_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )


class ParticipantCode(Base):
    """An alternate key; no two participants share one."""

    __tablename__ = "participant_codes"
    __table_args__ = (
        CheckConstraint("kind IN ('SOCIAL_INSURANCE_NUMBER', 'CARD_CODE')", name="kind"),
        CheckConstraint("state IN ('ACTIVE', 'REPLACED', 'WITHDRAWN')", name="state"),
        CheckConstraint(
            "code ~ CASE kind WHEN 'CARD_CODE' THEN '^[A-Z]{2}[1-5][0-9]{12}$' ELSE '^[0-9]{10}$' END",
            name="shape",
        ),
    )

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participants.id"), index=True)
    state: Mapped[str] = mapped_column(Text, default=CodeState.ACTIVE.value)
    valid_to: Mapped[date | None]


class Death(Base):
    """A death heard of, whether or not the person is a participant (yet); without a day it was taken back.

    `record` and `version` say which word of the population database it is: an older one, told later, counts
    for nothing. Rows from before these were kept have neither.
    """

    __tablename__ = "deaths"
    __table_args__ = (Index("ix_deaths_record", "record", postgresql_where=text("record IS NOT NULL")),)

    personal_id: Mapped[str] = mapped_column(Text, primary_key=True)
    died_on: Mapped[date | None]
    record: Mapped[UUID | None]
    version: Mapped[int | None]
    recorded_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )
