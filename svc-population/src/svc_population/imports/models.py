"""One row per bulk load or change file: which file, who ran it, and what became of its lines.

Lifecycle: RUNNING → FINISHED | FAILED | INTERRUPTED. Each chunk commits by itself; loading the same file
again skips the persons who are there already, so a load that ended before its file did is repeated whole. The
one whose process was killed is found to be INTERRUPTED by the next load, or by whoever lists them.

A change file is known by its content: RUNNING → FINISHED. `position` counts the changes that are settled; it
moves in the transaction that settles them, so that a file goes on where a killed process left it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base

_ZERO = text("0")


class Import(Base):
    __tablename__ = "imports"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    fingerprint: Mapped[str | None]
    """SHA-256 of header and first chunk: by it and the source a load knows the one that it takes up."""
    takes_up: Mapped[UUID | None]
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
    progressed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    """When the last chunk was loaded."""
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    """None for an interrupted load: nobody saw its end."""


class ChangeFile(Base):
    __tablename__ = "change_files"
    __table_args__ = (UniqueConstraint("agency", "sha256"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency: Mapped[str]
    sha256: Mapped[str]
    name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'RUNNING'"))
    position: Mapped[int] = mapped_column(server_default=_ZERO)
    applied: Mapped[int] = mapped_column(server_default=_ZERO)
    unchanged: Mapped[int] = mapped_column(server_default=_ZERO)
    """The record said so already."""
    refused: Mapped[int] = mapped_column(server_default=_ZERO)
    started_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    finished_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class ChangeFileError(Base):
    """Why a change was not applied: code and member, never a value."""

    __tablename__ = "change_file_errors"

    file_id: Mapped[UUID] = mapped_column(ForeignKey("change_files.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """Which change of the file, from 1 on; a header does not count."""
    code: Mapped[str]
    field: Mapped[str | None]
