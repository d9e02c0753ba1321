"""Deaths. A person dies once: the database holds the number unique over all deaths that stand.

A cancelled death stays as it was registered; with `cancelled_at` it is nobody's death any more.
"""

from sqlalchemy import Column, Date, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID

from svc_civil_registry.tables import metadata

deaths = Table(
    "deaths",
    metadata,
    Column("record_id", UUID(as_uuid=True), ForeignKey("records.id"), primary_key=True),
    Column("declaration", JSONB, nullable=False),
    Column("personal_id", Text, nullable=False),
    Column("died_on", Date, nullable=False),
    Column("registered_at", TIMESTAMP(timezone=True), nullable=False),
    Column("cancelled_at", TIMESTAMP(timezone=True)),
    Index("uq_deaths_standing", "personal_id", unique=True, postgresql_where=text("cancelled_at IS NULL")),
)
