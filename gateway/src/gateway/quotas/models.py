"""Tables of the quota service.

`agency_quotas` are the quotas of whole agencies, over all their agreements; an agreement's own are among its
terms. `quota_uses` is the durable tally: one row per agency, agreement and period, which only grows; a whole
agency's has `*` for the agreement. `quota_grants`
says what each Envoy was assigned and has reported of it, so that a control plane that was restarted goes on
where it stood. `quota_sources` numbers the batches of each control plane, so that none is counted twice.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Date, ForeignKey, Index, Integer, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base


class AgencyQuotaRow(Base):
    __tablename__ = "agency_quotas"

    agency: Mapped[str] = mapped_column(ForeignKey("agencies.code"), primary_key=True)
    per_day: Mapped[int | None] = mapped_column(BigInteger)
    per_month: Mapped[int | None] = mapped_column(BigInteger)
    """Units; a row without both is a quota that was taken away."""
    changed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class QuotaUse(Base):
    __tablename__ = "quota_uses"
    __table_args__ = (Index("ix_quota_uses_starts_on", "starts_on", "period"),)

    agency: Mapped[str] = mapped_column(Text, primary_key=True)
    agreement_id: Mapped[str] = mapped_column(Text, primary_key=True)
    period: Mapped[str] = mapped_column(Text, primary_key=True)
    starts_on: Mapped[date] = mapped_column(Date, primary_key=True)
    units: Mapped[int] = mapped_column(BigInteger)
    """Calls that were let through, each times the cost of its operation."""
    calls: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[int] = mapped_column(BigInteger)
    unit_limit: Mapped[int | None] = mapped_column(BigInteger)
    """The quota when the row was last written; None = the agreement has none for this period."""
    announced: Mapped[int] = mapped_column(Integer)
    """The highest threshold, in percent, of which an event told."""
    spent: Mapped[bool] = mapped_column(Boolean)
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class QuotaGrant(Base):
    __tablename__ = "quota_grants"
    __table_args__ = (
        Index("ix_quota_grants_bucket", "agreement_id", "agency", "cost"),
        Index("ix_quota_grants_agency", "agency"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[UUID]
    agency: Mapped[str] = mapped_column(Text)
    agreement_id: Mapped[str] = mapped_column(Text)
    cost: Mapped[int] = mapped_column(Integer)
    granted: Mapped[int] = mapped_column(BigInteger)
    reported: Mapped[int] = mapped_column(BigInteger)
    calls: Mapped[int | None] = mapped_column(BigInteger)
    sent_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    day: Mapped[date] = mapped_column(Date)


class QuotaSource(Base):
    __tablename__ = "quota_sources"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    batch: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
