"""Agencies, systems and operators.

An agency is REGISTERED, then ACTIVE with its first certificate, may be SUSPENDED and reactivated,
and is CLOSED for ever. A system belongs to one agency and enrols with a one-time code `<handle>.<secret>`:
the handle finds the system, only a hash of the whole is kept, tries are counted, a new code replaces the old.
"""

from datetime import datetime

from sqlalchemy import ARRAY, ForeignKey, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base


class Agency(Base):
    __tablename__ = "agencies"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    agency_class: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    parent: Mapped[str | None] = mapped_column(Text)
    province_code: Mapped[str | None] = mapped_column(Text)
    commune_code: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class System(Base):
    __tablename__ = "systems"

    agency: Mapped[str] = mapped_column(ForeignKey("agencies.code"), primary_key=True)
    code: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    enrolment_handle: Mapped[str | None] = mapped_column(Text, unique=True)
    enrolment_hash: Mapped[str | None] = mapped_column(Text)
    enrolment_expires_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    enrolment_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    enrolment_serial: Mapped[str | None] = mapped_column(Text)
    """The certificate for which the code was used up."""
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class BusOperator(Base):
    __tablename__ = "operators"

    agency: Mapped[str] = mapped_column(ForeignKey("agencies.code"), primary_key=True)
    login: Mapped[str] = mapped_column(Text, primary_key=True)
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(Text)
