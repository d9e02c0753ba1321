"""The runtime's own tables, the same in every service's database."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

from ndx_chassis.db import NAMING

runtime_metadata = MetaData(naming_convention=NAMING)

_NOW = text("clock_timestamp()")
_XID = text("(pg_current_xact_id()::text::bigint)")
_TIME = TIMESTAMP(timezone=True)

outbox = Table(
    "outbox",
    runtime_metadata,
    Column("id", UUID(as_uuid=True), nullable=False),
    Column("aggregatetype", Text, nullable=False),
    Column("aggregateid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("headers", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("xid", BigInteger, nullable=False, server_default=_XID),
    Index("pk_outbox", "xid", "id", unique=True),
)
"""Columns of Debezium's EventRouter, so that Debezium can replace our relay."""

disclosures = Table(
    "disclosures",
    runtime_metadata,
    Column("id", UUID(as_uuid=True), nullable=False),
    Column("occurred_at", _TIME, nullable=False, server_default=_NOW),
    Column("agency", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("officer", Text),
    Column("case_id", Text),
    Column("purpose", Text, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("agreement_version", Integer, nullable=False),
    Column("operation", Text, nullable=False),
    Column("subjects", ARRAY(Text), nullable=False),
    Column("field_groups", ARRAY(Text), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("trace_id", Text),
    Column("xid", BigInteger, nullable=False, server_default=_XID),
    Index("pk_disclosures", "xid", "id"),
    postgresql_partition_by="RANGE (occurred_at)",
)
"""Who got whose data; append-only, partitioned by month, and its own outbox."""

relay_positions = Table(
    "relay_positions",
    runtime_metadata,
    Column("source", Text, primary_key=True),
    Column("xid", BigInteger, nullable=False),
    Column("id", UUID(as_uuid=True), nullable=False),
)

inbox = Table(
    "inbox",
    runtime_metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", UUID(as_uuid=True), primary_key=True),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", _TIME),
    Column("topic", Text),
    Column("message", JSONB),
    Column("error", Text),
    Column("received_at", _TIME, nullable=False, server_default=_NOW),
    Index("ix_inbox_due", "next_attempt_at", postgresql_where=text("state = 'WAITING'")),
)
"""One row per event and consumer: DONE, WAITING for another attempt, or DEAD."""

audit_entries = Table(
    "audit_entries",
    runtime_metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("occurred_at", _TIME, nullable=False, server_default=_NOW),
    Column("actor", Text, nullable=False),
    Column("officer", Text),
    Column("case_id", Text),
    Column("action", Text, nullable=False),
    Column("entity_type", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("trace_id", Text),
    Column("details", JSONB, nullable=False),
    Index("ix_audit_entries_entity", "entity_type", "entity_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    runtime_metadata,
    Column("caller", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("response", Text),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
)

agreements = Table(
    "agreements",
    runtime_metadata,
    Column("agreement_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("received_at", _TIME, nullable=False, server_default=_NOW),
)
"""The service's own copy of topic `gateway.agreement.v1`."""

consents = Table(
    "consents",
    runtime_metadata,
    Column("consent_id", UUID(as_uuid=True), primary_key=True),
    Column("personal_id", Text, nullable=False),
    Column("agency", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("field_groups", ARRAY(Text), nullable=False),
    Column("given_at", _TIME, nullable=False),
    Column("valid_until", _TIME, nullable=False),
    Column("withdrawn_at", _TIME),
    Index("ix_consents_personal_id", "personal_id", "agency", "purpose"),
)
"""The service's own copy of topic `identity.consent.v1`."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of UTC, whose disclosure records have a partition of their own."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def partition(self) -> str:
        return f"disclosures_{self.year:04d}_{self.number:02d}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    def following(self) -> "Month":
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def statements(self) -> tuple[str, ...]:
        """Return what makes the partition, without a lock that readers or writers would wait for."""
        bounds = f"FROM ('{self}-01 00:00+00') TO ('{self.following()}-01 00:00+00')"
        return (
            f"CREATE TABLE {self.partition} (LIKE disclosures INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
            f"ALTER TABLE disclosures ATTACH PARTITION {self.partition} FOR VALUES {bounds}",
            f"REVOKE UPDATE, DELETE, TRUNCATE ON {self.partition} FROM CURRENT_USER",
        )
