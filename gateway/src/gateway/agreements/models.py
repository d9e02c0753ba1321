"""Agreements and the history of every decision about them.

DRAFT → SUBMITTED → APPROVED → ACTIVE ⇄ SUSPENDED → EXPIRED | TERMINATED; SUBMITTED → REJECTED.
The approver is never the drafter and belongs to the providing agency. Rows of history are never changed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from ndx_contracts.agreements import AgreementState
from sqlalchemy import Integer, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base

S = AgreementState
ACTIONS: dict[str, tuple[frozenset[AgreementState], AgreementState]] = {
    "submit": (frozenset({S.DRAFT}), S.SUBMITTED),
    "approve": (frozenset({S.SUBMITTED}), S.APPROVED),
    "reject": (frozenset({S.SUBMITTED}), S.REJECTED),
    "activate": (frozenset({S.APPROVED}), S.ACTIVE),
    "suspend": (frozenset({S.ACTIVE}), S.SUSPENDED),
    "resume": (frozenset({S.SUSPENDED}), S.ACTIVE),
    "expire": (frozenset({S.ACTIVE, S.SUSPENDED}), S.EXPIRED),
    "terminate": (frozenset({S.APPROVED, S.ACTIVE, S.SUSPENDED}), S.TERMINATED),
}
"""Action → (states in which it is allowed, state that it leads to)."""


class AgreementRow(Base):
    __tablename__ = "data_sharing_agreements"

    agreement_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text, index=True)
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)
    consumer_agency: Mapped[str] = mapped_column(Text, index=True)
    provider_agency: Mapped[str] = mapped_column(Text)
    drafted_by: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class AgreementDecision(Base):
    __tablename__ = "agreement_history"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[str] = mapped_column(Text, index=True)
    version: Mapped[int] = mapped_column(Integer)
    action: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)
    decided_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
