"""A relationship as the civil status book names it: a person and their mother, father, spouse or guardian.

Invariants: one mother, one father and one spouse at a time (ordinal 0); nobody is their own ancestor. A child
is the inverse of a parent, a ward of a guardian, and neither is stored; a marriage of two people with numbers
stands with both. What has ended moves to `relationship_history`, so that `relationships` holds what is true
today and a read needs no dates. The other person may be known by name only. The keys are personal
numbers, so that a read needs no second step; re-establishing a number moves its rows.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.relationships.vocabulary import PARENT_NOT_OLDER
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
        Index(
            "ix_relationships_parent_not_older",
            "related_personal_id",
            postgresql_where=text(PARENT_NOT_OLDER),
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
    since: Mapped[date | None]
    """Not known for what came with an import; a parent's is the birth."""


class FormerRelationship(Base):
    """A relationship that has ended, as it was."""

    __tablename__ = "relationship_history"
    __table_args__ = (
        Index("ix_relationship_history_personal_id", "personal_id"),
        Index("ix_relationship_history_related_personal_id", "related_personal_id"),
    )

    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), primary_key=True)
    personal_id: Mapped[str] = mapped_column(_NUMBER)
    relation: Mapped[str]
    related_personal_id: Mapped[str | None] = mapped_column(_NUMBER)
    related_name: Mapped[str | None]
    related_birth_year: Mapped[int | None]
    related_nationality: Mapped[str | None]
    source: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    since: Mapped[date | None]
    ended_on: Mapped[date | None]
    """The last day; none when it never was true."""
    end_cause: Mapped[str]
    end_source: Mapped[str]
    ended_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
