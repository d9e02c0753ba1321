"""Births and the queue of those that wait for a number.

A birth's state is its record's (slice `events`); here is what was declared, the columns that duplicates are
looked up by, and the number once it is there. Invariants: `natural_key` is held by at most one birth that is
not suspected to be a duplicate; a number belongs to one birth; a birth has a row in `number_requests` exactly
while it is flagged awaiting-personal-id.
"""

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID

from svc_civil_registry.tables import metadata

_TIME = TIMESTAMP(timezone=True)


def _index(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, postgresql_where=text(where))


births = Table(
    "births",
    metadata,
    Column("record_id", UUID(as_uuid=True), ForeignKey("records.id"), primary_key=True),
    Column("declaration", JSONB, nullable=False),
    Column("birth_date", Date, nullable=False),
    Column("child_key", Text, nullable=False),
    Column("mother_key", Text),
    Column("mother_personal_id", Text),
    Column("notice", Text),
    Column("natural_key", Text, unique=True),
    Column("personal_id", Text, unique=True),
    Column("person_id", UUID(as_uuid=True), unique=True),
    Column("registered_at", _TIME),
    Index(
        "ix_births_mother",
        "mother_personal_id",
        "birth_date",
        postgresql_where=text("mother_personal_id IS NOT NULL"),
    ),
    Index(
        "ix_births_mother_key", "mother_key", "birth_date", postgresql_where=text("mother_key IS NOT NULL")
    ),
    Index("ix_births_child_key", "child_key", "birth_date", postgresql_where=text("mother_key IS NULL")),
    Index("ix_births_notice", "notice", postgresql_where=text("notice IS NOT NULL")),
)

number_requests = Table(
    "number_requests",
    metadata,
    Column("birth_id", UUID(as_uuid=True), ForeignKey("births.record_id"), primary_key=True),
    Column("request_id", UUID(as_uuid=True), nullable=False, unique=True),
    Column("confirmed_not_duplicate", Boolean, nullable=False),
    Column("office", Text, nullable=False),
    Column("province_code", Text, nullable=False),
    Column("commune_code", Text, nullable=False),
    Column("requested_at", _TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", _TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("leased_until", _TIME),
    Column("last_error", Text),
    Column("traceparent", Text),
    Index("ix_number_requests_due", "next_attempt_at"),
)
