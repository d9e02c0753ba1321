"""One row per bulk load: which file, who ran it, and what became of its lines.

Lifecycle: RUNNING → FINISHED | FAILED. Each chunk commits by itself; loading the same file again skips
the persons who are there already, so a failed load is repeated whole.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_ZERO = text("0")


class Import(Base):
    __tablename__ = "imports"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    state: Mapped[str]
    lines: Mapped[int] = mapped_column(server_default=_ZERO)
    inserted: Mapped[int] = mapped_column(server_default=_ZERO)
    existing: Mapped[int] = mapped_column(server_default=_ZERO)
    rejected: Mapped[int] = mapped_column(server_default=_ZERO)
    wrong_structure: Mapped[int] = mapped_column(server_default=_ZERO)
    """Persons whose number does not fit their sex, birth year or any known place; loaded all the same."""
    started_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
