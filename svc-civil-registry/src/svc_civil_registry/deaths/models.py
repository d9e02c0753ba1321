"""Deaths. A person dies once: the database holds the number unique over all deaths."""

from sqlalchemy import Column, Date, ForeignKey, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID

from svc_civil_registry.tables import metadata

deaths = Table(
    "deaths",
    metadata,
    Column("record_id", UUID(as_uuid=True), ForeignKey("records.id"), primary_key=True),
    Column("declaration", JSONB, nullable=False),
    Column("personal_id", Text, nullable=False, unique=True),
    Column("died_on", Date, nullable=False),
    Column("registered_at", TIMESTAMP(timezone=True), nullable=False),
)
