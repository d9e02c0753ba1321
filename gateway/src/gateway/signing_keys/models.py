"""Signing keys: ACTIVE from publication until revoked, kept for ever; several may be in force at once."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base


class SigningKey(Base):
    __tablename__ = "signing_keys"
    __table_args__ = (ForeignKeyConstraint(["agency", "system"], ["systems.agency", "systems.code"]),)

    key_id: Mapped[str] = mapped_column(Text, primary_key=True)
    agency: Mapped[str] = mapped_column(Text, index=True)
    system: Mapped[str] = mapped_column(Text)
    x: Mapped[str] = mapped_column(Text)
    published_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
