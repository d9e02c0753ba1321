"""Issued certificates: ACTIVE, then REVOKED by an operator or EXPIRED by time.

A system may hold several active certificates at once, so that a new one is in use before the old one ends.
"""

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base

ACTIVE = "ACTIVE"
REVOKED = "REVOKED"
EXPIRED = "EXPIRED"
"""Shown, not stored: an active certificate past its last moment."""


class Certificate(Base):
    __tablename__ = "certificates"

    serial: Mapped[str] = mapped_column(Text, primary_key=True)
    """Hexadecimal, lower case."""
    agency: Mapped[str] = mapped_column(Text)
    system: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text, index=True)
    fingerprint_sha256: Mapped[str] = mapped_column(Text, unique=True)
    not_before: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    not_after: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    state: Mapped[str] = mapped_column(Text)
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reason: Mapped[str | None] = mapped_column(Text)
