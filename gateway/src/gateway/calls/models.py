"""Tables of calls.

`calls` has a partition for each day, which is dropped when its time is over. `call_hours` sums them up by the
hour, and stays longer. `call_sources` says how far each log has been read, in the transaction that keeps what
was read: no line is lost, and none is kept twice. One that comes by two ways, as a log does that
is read here and sent as well, is known by its digest.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, Identity, Index, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base


class CallRow(Base):
    __tablename__ = "calls"
    __table_args__ = (
        Index("ix_calls_agency_at", "agency", "at", "id"),
        Index("ix_calls_service_at", "service", "at", "id"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    request_id: Mapped[str] = mapped_column(Text)
    agency: Mapped[str | None] = mapped_column(Text)
    system: Mapped[str | None] = mapped_column(Text)
    agreement: Mapped[str | None] = mapped_column(Text)
    service: Mapped[str | None] = mapped_column(Text)
    operation: Mapped[str | None] = mapped_column(Text)
    purpose: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(Text)
    status: Mapped[int] = mapped_column(SmallInteger)
    refusal: Mapped[str | None] = mapped_column(Text)
    answered_by: Mapped[str] = mapped_column(Text)
    duration_ms: Mapped[int] = mapped_column(Integer)
    provider_ms: Mapped[int | None] = mapped_column(Integer)
    request_out_ms: Mapped[int | None] = mapped_column(Integer)
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    trace_id: Mapped[str | None] = mapped_column(Text)
    line_digest: Mapped[int | None] = mapped_column(BigInteger)
    """Unique with `at` in each partition."""


class CallHour(Base):
    __tablename__ = "call_hours"

    hour: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    agency: Mapped[str] = mapped_column(Text, primary_key=True)
    """Empty = nobody with a certificate of an agency."""
    agreement: Mapped[str] = mapped_column(Text, primary_key=True)
    operation: Mapped[str] = mapped_column(Text, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text, primary_key=True)
    """OK, the gateway's refusal code, or PROVIDER-4XX and PROVIDER-5XX."""
    calls: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    longest_ms: Mapped[int] = mapped_column(BigInteger)
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)


class CallSource(Base):
    __tablename__ = "call_sources"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    file_id: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


PARTITION = "calls_%Y%m%d"


def partition_of(day: date) -> str:
    """Return the name of a day's partition; days are UTC's."""
    return day.strftime(PARTITION)
