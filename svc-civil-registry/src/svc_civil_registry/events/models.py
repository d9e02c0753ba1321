"""Records of civil status events and their actions.

A record is the ordered list of its actions. Actions are only ever added (the database role has no right to
change or delete them); `records.status` and `records.flags` are what replaying them yields, kept beside for
queries and written in the transaction that adds an action.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

from svc_civil_registry.tables import metadata

_TIME = TIMESTAMP(timezone=True)

records = Table(
    "records",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("office", Text, nullable=False),
    Column("province_code", Text, nullable=False),
    Column("commune_code", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("flags", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    CheckConstraint(
        "status IN ('CREATED','NOTIFIED','DECLARED','REGISTERED','ARCHIVED','CANCELLED')", name="status_known"
    ),
    Index("ix_records_office", "kind", "office", "id"),
)

actions = Table(
    "actions",
    metadata,
    Column("record_id", UUID(as_uuid=True), ForeignKey("records.id"), primary_key=True),
    Column("sequence", SmallInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("occurred_at", _TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("actor", Text, nullable=False),
    Column("officer", Text),
    Column("case_id", Text),
    Column("office", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("content", JSONB, nullable=False),
)
