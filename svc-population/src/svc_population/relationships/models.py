"""A relationship as the civil status book names it: a person and their mother, father or spouse.

Invariants: one mother and one father at a time (ordinal 0); nobody is their own ancestor. A child is the
inverse of a parent and is not stored. The other person may be known by name only. The keys are personal
numbers, so that a read needs no second step; re-establishing a number moves its rows.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_NUMBER = Text(collation="C")


class Relationship(Base):
    __tablename__ = "relationships"
    __table_args__ = (
        CheckConstraint("personal_id <> related_personal_id", name="not_oneself"),
        CheckConstraint("related_personal_id IS NOT NULL OR related_name IS NOT NULL", name="somebody"),
        Index(
            "ix_relationships_related_personal_id",
            "related_personal_id",
            postgresql_where=text("related_personal_id IS NOT NULL"),
        ),
    )

    personal_id: Mapped[str] = mapped_column(_NUMBER, primary_key=True)
    relation: Mapped[str] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, server_default=text("0"))
    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), server_default=text("uuidv7()"))
    related_personal_id: Mapped[str | None] = mapped_column(_NUMBER)
    related_name: Mapped[str | None]
    related_birth_year: Mapped[int | None]
    related_nationality: Mapped[str | None]
    source: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
