"""The ledger's tables: arrivals, entries in order of arrival, roots of full tiles, and signed checkpoints.

An entry's leaf hash covers the record with its subjects replaced by keyed pseudonyms; the record itself
may be erased when the law says so (`record` becomes NULL) without touching any proof.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base


class LedgerEntry(Base):
    __tablename__ = "ledger_entries"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    disclosure_id: Mapped[UUID] = mapped_column(unique=True)
    service: Mapped[str] = mapped_column(Text)
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary)
    leaf: Mapped[str] = mapped_column(Text)
    """The canonical pseudonymous record that was hashed."""
    record: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class LedgerArrival(Base):
    """A record that waits for its position."""

    __tablename__ = "ledger_arrivals"
    __table_args__ = (Index("ix_ledger_arrivals_received_at", "received_at", "disclosure_id"),)

    disclosure_id: Mapped[UUID] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(Text)
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class LedgerNode(Base):
    """Root of a full tile: of 256 leaves on level 1, of 65,536 on level 2."""

    __tablename__ = "ledger_nodes"

    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerCheckpoint(Base):
    __tablename__ = "ledger_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root_hash: Mapped[bytes] = mapped_column(LargeBinary)
    frontier: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    """Roots of the complete subtrees, largest first: appending goes on from here."""
    signed_note: Mapped[str] = mapped_column(Text)
    key_id: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
