"""Who read whose data, findable by person: an index beside the records, and other services' records.

The hot read writes `disclosures` with one index only; a second index on the person would about halve its
throughput. So the index by person is a table of its own, filled by a job in large steps, and a search adds
the rows that the job has not reached yet. Records of other services arrive by their disclosure topics.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

disclosure_subjects = Table(
    "disclosure_subjects",
    Base.metadata,
    Column("subject", Text(collation="C"), primary_key=True),
    Column("occurred_at", TIMESTAMP(timezone=True), primary_key=True),
    Column("id", PG_UUID(as_uuid=True), primary_key=True),
    Column("xid", BigInteger),
)
"""`xid` leads to the record in `disclosures`; it is empty for a record in `foreign_disclosures`."""


class ForeignDisclosure(Base):
    """A disclosure record of another service."""

    __tablename__ = "foreign_disclosures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    service: Mapped[str]
    agency: Mapped[str]
    system: Mapped[str]
    purpose: Mapped[str]
    agreement: Mapped[str]
    agreement_version: Mapped[int]
    operation: Mapped[str]
    field_groups: Mapped[list[str]] = mapped_column(ARRAY(Text))
    outcome: Mapped[str]
    request_id: Mapped[str]


class AgencyName(Base):
    """An agency in words, as topic `gateway.agency.v1` says: the reader may have come under a template."""

    __tablename__ = "agency_names"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)


disclosure_positions = Table(
    "disclosure_positions",
    Base.metadata,
    Column("source", Text, primary_key=True),
    Column("xid", BigInteger, nullable=False),
    Column("id", PG_UUID(as_uuid=True), nullable=False),
)
"""How far the job has indexed `disclosures`."""
