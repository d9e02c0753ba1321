"""An e-ID account and the locks on it.

Lifecycle: ACTIVE ⇄ LOCKED. An account is LOCKED while at least one lock is open; each lock has its cause,
and ends only by the way that the law gives to this cause (Identity Law, article 34; Decree 59/2022,
article 19). A lock for a cancelled number never ends, one for a merger only when that is undone, one for a
death only when that is taken back. A citizen has at most one account; its
level rises from 1 to 2 and never falls. `version` grows with every change and travels in the events.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_identity.tables import Base


class AccountState(StrEnum):
    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"


class LockCause(StrEnum):
    """Why an account or its e-identity is locked (Identity Law 26/2023/QH15, article 34)."""

    HOLDER_REQUEST = "HOLDER_REQUEST"
    TERMS_BREACH = "TERMS_BREACH"
    CARD_REVOKED = "CARD_REVOKED"
    CARD_HELD = "CARD_HELD"
    COMPETENT_BODY_REQUEST = "COMPETENT_BODY_REQUEST"
    DEATH = "DEATH"
    PERSONAL_ID_CANCELLED = "PERSONAL_ID_CANCELLED"
    PERSONS_MERGED = "PERSONS_MERGED"
    """The number leads to another record of the person; ends when that is undone, and in no other way."""


FOR_EVER: frozenset[LockCause] = frozenset(
    {LockCause.DEATH, LockCause.PERSONAL_ID_CANCELLED, LockCause.PERSONS_MERGED}
)
"""Causes that no office sets; they come by event, and only what undoes their event ends them."""


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("personal_id ~ '^[0-9]{12}$'", name="personal_id"),
        CheckConstraint("level IN (1, 2)", name="level"),
        CheckConstraint("state IN ('ACTIVE', 'LOCKED')", name="state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    personal_id: Mapped[str] = mapped_column(unique=True)
    level: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[AccountState] = mapped_column(Enum(AccountState, native_enum=False, length=16))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    opened_by: Mapped[str]
    received_on: Mapped[date]
    due_on: Mapped[date]
    opened_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    changed_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )


class AccountLock(Base):
    """One cause for which an account is locked; open while `ended_at` is empty."""

    __tablename__ = "account_locks"
    __table_args__ = (
        Index(
            "uq_account_locks_open",
            "account_id",
            "cause",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    cause: Mapped[LockCause] = mapped_column(Enum(LockCause, native_enum=False, length=32))
    started_by: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    ended_by: Mapped[str | None]
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class EndOfLife(Base):
    """What was told last of a record's death or of its end: of two words the later version counts."""

    __tablename__ = "ends_of_life"

    record: Mapped[UUID] = mapped_column(primary_key=True)
    personal_id: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    dead: Mapped[bool]
    told_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
