"""A decision by two officers about two records: merge, split, or undo one of these.

Lifecycle: PROPOSED → DONE | REJECTED; a MERGE or SPLIT that is undone becomes UNDONE. The officer who decides
is not the one who proposed. `kept` is what is needed to restore both records; it holds sensitive data.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_NUMBER = Text(collation="C")


class Merger(Base):
    __tablename__ = "person_mergers"
    __table_args__ = (
        Index("ix_person_mergers_person_id", "person_id"),
        Index("ix_person_mergers_other_personal_id", "other_personal_id"),
    )

    id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), primary_key=True)
    kind: Mapped[str]
    state: Mapped[str]
    person_id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True))
    """Whose record stands: the survivor of a merge, the one who keeps the number in a split."""
    personal_id: Mapped[str] = mapped_column(_NUMBER)
    other_person_id: Mapped[UUID | None] = mapped_column(PG_UUID(as_uuid=True))
    other_personal_id: Mapped[str | None] = mapped_column(_NUMBER)
    """The duplicate of a merge; the new number of a split, once it is done."""
    undoes: Mapped[UUID | None] = mapped_column(PG_UUID(as_uuid=True))
    plan: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What was proposed, as it was sent."""
    kept: Mapped[dict[str, Any] | None] = mapped_column(JSONB, info={"sensitive": True})
    case_id: Mapped[str]
    proposed_by: Mapped[str]
    proposing_officer: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    decided_by: Mapped[str | None]
    deciding_officer: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
