"""Register books: a counter per office, book and year, and the entries that were numbered from it.

The counter's row is locked until the registering transaction ends, so numbers have no gaps; the primary key
of the entries makes a number unique whatever the code does.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import UUID

from svc_civil_registry.tables import metadata

register_counters = Table(
    "register_counters",
    metadata,
    Column("office", Text, primary_key=True),
    Column("book", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last_number", Integer, nullable=False),
)

register_entries = Table(
    "register_entries",
    metadata,
    Column("office", Text, primary_key=True),
    Column("book", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record_id", UUID(as_uuid=True), ForeignKey("records.id"), nullable=False),
    UniqueConstraint("record_id"),
    CheckConstraint("number > 0", name="number_positive"),
)
