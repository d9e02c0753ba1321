"""A taxpayer: one person who pays tax, known by the personal ID; older codes lead to the same person.

States: MATCHED; PENDING_ID_UPDATE (what the tax register holds does not fit the population database: the
code is kept and waits for a matching ID); DUP_TAX_CODE (several legacy codes lead to one person and wait to
be merged into the ID); DECEASED_CLOSE (until the death is taken back). A death that is known before its
taxpayer is remembered.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from ndx_chassis.ids import new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_tax_link.tables import Base


class TaxpayerState(StrEnum):
    """The link between the tax register's record and the person."""

    MATCHED = "MATCHED"
    PENDING_ID_UPDATE = "PENDING_ID_UPDATE"
    DUP_TAX_CODE = "DUP_TAX_CODE"
    DECEASED_CLOSE = "DECEASED_CLOSE"


class Taxpayer(Base):
    __tablename__ = "taxpayers"
    __table_args__ = (
        CheckConstraint("personal_id ~ '^[0-9]{12}$'", name="personal_id"),
        CheckConstraint(
            "state IN ('MATCHED', 'PENDING_ID_UPDATE', 'DUP_TAX_CODE', 'DECEASED_CLOSE')", name="state"
        ),
        CheckConstraint("(state = 'DECEASED_CLOSE') = (died_on IS NOT NULL)", name="deceased"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    personal_id: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    birth_date: Mapped[date | None]
    fetched_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    """When name and birth date were fetched; all three are missing while the person is not matched."""
    died_on: Mapped[date | None]
    registered_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )


class LegacyCode(Base):
    """A legacy tax code; it leads to one taxpayer and is never given to another."""

    __tablename__ = "legacy_codes"
    __table_args__ = (CheckConstraint("code ~ '^[0-9]{10}(-[0-9]{3})?$'", name="shape"),)

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    taxpayer_id: Mapped[UUID] = mapped_column(ForeignKey("taxpayers.id"), index=True)
    recorded_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )


class Death(Base):
    """A death heard of, whether or not the person pays tax (yet); without a day it was taken back.

    `record` and `version` say which word of the population database it is: an older one, told later, counts
    for nothing. Rows from before these were kept have neither. `cut` notes the claims that the death stopped.
    """

    __tablename__ = "deaths"
    __table_args__ = (Index("ix_deaths_record", "record", postgresql_where=text("record IS NOT NULL")),)

    personal_id: Mapped[str] = mapped_column(Text, primary_key=True)
    died_on: Mapped[date | None]
    record: Mapped[UUID | None]
    version: Mapped[int | None]
    cut: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    recorded_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )
