"""Units in their periods and what became of them; code lists that change by migrations only.

A code belongs to one unit per level and period; a unit whose name or type changes gets a further row.
"""

from datetime import date

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base


class AdminUnit(Base):
    __tablename__ = "admin_units"
    __table_args__ = (Index("ix_admin_units_parent_code", "level", "parent_code"),)

    level: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    """First day; 0001-01-01 stands for a time before the record starts."""
    valid_to: Mapped[date | None]
    name: Mapped[str]
    type: Mapped[str]
    full_name: Mapped[str]
    parent_code: Mapped[str | None]


class AdminUnitSuccession(Base):
    __tablename__ = "admin_unit_successions"
    __table_args__ = (Index("ix_admin_unit_successions_new", "new_level", "new_code"),)

    old_level: Mapped[str] = mapped_column(primary_key=True)
    old_code: Mapped[str] = mapped_column(primary_key=True)
    new_level: Mapped[str] = mapped_column(primary_key=True)
    new_code: Mapped[str] = mapped_column(primary_key=True)
    effective_from: Mapped[date] = mapped_column(primary_key=True)
    relation: Mapped[str]
    is_default: Mapped[bool]
