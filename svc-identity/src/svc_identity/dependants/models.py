"""A child attached to a parent's account.

Lifecycle: ATTACHED (by the event of the birth, when the parent has an active account of level 2) → ENDED
by the child's age of 14, the child's death or the guardian's death, or as the second one of a child whose
records were merged. What a merger ended is ATTACHED again when it is undone, what a death ended when that is
taken back. `ends_on` is the day of the age limit. A child hangs on an account at most once; an ended
attachment is kept.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_identity.tables import Base


class Relation(StrEnum):
    """What the guardian is to the dependant."""

    MOTHER = "MOTHER"
    FATHER = "FATHER"


class EndCause(StrEnum):
    AGE = "AGE"
    DEPENDANT_DECEASED = "DEPENDANT_DECEASED"
    GUARDIAN_DECEASED = "GUARDIAN_DECEASED"
    PERSONS_MERGED = "PERSONS_MERGED"
    """The child hangs on the account under the number that stands already; until the merger is undone."""


class MoveCause(StrEnum):
    """Why an attachment hangs on another account of the same guardian: told, and no end of it."""

    PERSONS_MERGED = "PERSONS_MERGED"
    PERSONS_SEPARATED = "PERSONS_SEPARATED"


class Dependant(Base):
    __tablename__ = "dependants"
    __table_args__ = (
        UniqueConstraint("account_id", "dependant_personal_id"),
        CheckConstraint("(ended_at IS NULL) = (end_cause IS NULL)", name="end_with_cause"),
        Index("ix_dependants_guardian_personal_id", "guardian_personal_id"),
        Index("ix_dependants_dependant_personal_id", "dependant_personal_id"),
        Index("ix_dependants_ends_on", "ends_on", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    guardian_personal_id: Mapped[str]
    dependant_personal_id: Mapped[str]
    relation: Mapped[Relation] = mapped_column(Enum(Relation, native_enum=False, length=16))
    birth_date: Mapped[date]
    ends_on: Mapped[date]
    attached_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    end_cause: Mapped[EndCause | None] = mapped_column(Enum(EndCause, native_enum=False, length=32))
