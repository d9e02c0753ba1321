"""The indicators of a unit at the end of a day, as far as the day has come.

One row per unit and day. Today's is written anew every hour, so that a past day has what was counted within
its last hour; a day on which the service did not run has none. Units are those that people's rows name.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base


class QualityDay(Base):
    __tablename__ = "quality_days"

    level: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    """'' is the country at its level, and nowhere at the others."""
    day: Mapped[date] = mapped_column(primary_key=True)
    generation: Mapped[int]
    """Where it changes, rules or the list of communes did: a step in a line may come of that."""
    kept_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    persons: Mapped[int]
    living: Mapped[int]
    faultless: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Living people who break no rule of a dimension, by dimension."""
    rules: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """By rule: how many it is about, and how many break it."""
