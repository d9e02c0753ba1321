"""Versions of agreements and the history of every decision about them.

An agreement is a row of versions; a version's terms never change. At most one version is open (DRAFT,
SUBMITTED, APPROVED and waiting for its first day) and at most one stands (ACTIVE or SUSPENDED):

DRAFT → SUBMITTED → APPROVED → ACTIVE ⇄ SUSPENDED → EXPIRED | TERMINATED | SUPERSEDED;
SUBMITTED → DRAFT (recalled) | REJECTED; an open version may be WITHDRAWN, a rewritten draft is SUPERSEDED.

A standing version goes on until the next one begins; a suspension outlives that. The approver belongs to the
providing agency and wrote none of the terms to be approved. Rows of history are never changed.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from ndx_contracts.agreements import AgreementState
from sqlalchemy import Date, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base

S = AgreementState
OPEN = frozenset({S.DRAFT, S.SUBMITTED, S.APPROVED})
STANDING = frozenset({S.ACTIVE, S.SUSPENDED})
REWRITABLE = frozenset({S.DRAFT, S.REJECTED, S.WITHDRAWN})
"""States of the newest version in which new terms may follow it as a draft."""
AMENDABLE = frozenset({S.ACTIVE, S.SUSPENDED, S.EXPIRED})
"""States of the version in force, or lately so, beside which an amendment may be drafted."""

ACTIONS: dict[str, tuple[frozenset[AgreementState], AgreementState]] = {
    "submit": (frozenset({S.DRAFT}), S.SUBMITTED),
    "recall": (frozenset({S.SUBMITTED}), S.DRAFT),
    "approve": (frozenset({S.SUBMITTED}), S.APPROVED),
    "reject": (frozenset({S.SUBMITTED}), S.REJECTED),
    "withdraw": (OPEN, S.WITHDRAWN),
    "activate": (frozenset({S.APPROVED}), S.ACTIVE),
    "suspend": (frozenset({S.ACTIVE}), S.SUSPENDED),
    "resume": (frozenset({S.SUSPENDED}), S.ACTIVE),
    "expire": (STANDING, S.EXPIRED),
    "terminate": (STANDING | {S.APPROVED}, S.TERMINATED),
    "supersede": (STANDING | {S.DRAFT}, S.SUPERSEDED),
}
"""Action → (states of a version in which it is allowed, state that it leads to)."""


def _one_in(states: frozenset[AgreementState]) -> Any:
    words = ", ".join(f"'{s.value}'" for s in sorted(states))
    return text(f"state IN ({words})")


class AgreementRow(Base):
    """One version."""

    __tablename__ = "data_sharing_agreements"

    agreement_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str] = mapped_column(Text, index=True)
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)
    consumer_agency: Mapped[str | None] = mapped_column(Text, index=True)
    consumer_class: Mapped[str | None] = mapped_column(Text)
    provider_agency: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    drafted_by: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))

    __table_args__ = (
        Index("uq_data_sharing_agreements_open", "agreement_id", unique=True, postgresql_where=_one_in(OPEN)),
        Index(
            "uq_data_sharing_agreements_standing",
            "agreement_id",
            unique=True,
            postgresql_where=_one_in(STANDING),
        ),
    )


class AgreementDecision(Base):
    """One step of one version: who, when, why."""

    __tablename__ = "agreement_history"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agreement_id: Mapped[str] = mapped_column(Text, index=True)
    version: Mapped[int] = mapped_column(Integer)
    action: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    decided_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    legal_basis: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    terms: Mapped[dict[str, Any]] = mapped_column(JSONB)
    decided_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
