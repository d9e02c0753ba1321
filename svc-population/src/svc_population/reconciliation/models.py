"""A case: which fields two registers state differently, who settles it until when, and what came out.

Invariants: one case per agency and reference; one waiting case per agency, number and kind, so that opening
further ones teaches nobody more. A case holds both sides' values of the disputed fields and nothing else of
the person. Each step is kept with its officer and evidence.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_NOW = text("clock_timestamp()")
_WAITING = text("state IN ('CLERICAL_REVIEW', 'CORRECTION_SENT')")
_PAIR = text("other_personal_id IS NOT NULL")


class ReconciliationCase(Base):
    __tablename__ = "reconciliation_cases"
    __table_args__ = (
        Index("uq_reconciliation_cases_reference", "agency", "reference", unique=True),
        Index(
            "uq_reconciliation_cases_waiting",
            "agency",
            "personal_id",
            "kind",
            unique=True,
            postgresql_where=_WAITING,
        ),
        Index("ix_reconciliation_cases_commune", "commune_code", "deadline", "id", postgresql_where=_WAITING),
        Index("ix_reconciliation_cases_agency", "agency", "id"),
        Index("ix_reconciliation_cases_pair", "personal_id", postgresql_where=_PAIR),
    )

    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), primary_key=True)
    agency: Mapped[str]
    reference: Mapped[str]
    """The agency's own key of its record."""
    kind: Mapped[str]
    state: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    personal_id: Mapped[str] = mapped_column(Text(collation="C"))
    person_id: Mapped[UUID | None] = mapped_column(PG_UUID(as_uuid=True))
    other_personal_id: Mapped[str | None] = mapped_column(Text(collation="C"))
    """The second record of a suspected duplicate: `theirs` is then what it says."""
    other_person_id: Mapped[UUID | None] = mapped_column(PG_UUID(as_uuid=True))
    province_code: Mapped[str | None]
    commune_code: Mapped[str | None]
    """Where the case is settled: the person's residence."""
    disputed: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, info={"sensitive": True})
    """Field, their value, our value at the time of opening, and whether they agree."""
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    deadline: Mapped[date]
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)
