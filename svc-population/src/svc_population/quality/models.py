"""Counts of people by commune and by the rules that their records break, kept as the rows change.

A generation is a set of rules compiled to SQL, with the list of communes of a day: COUNTING → LIVE, and gone
when the next one is live. While one is COUNTING, triggers on `persons` measure for it and for the live one,
and note with each change the slice (first six digits of the number) of the record. Slices are counted one
after the other, each in a transaction: its count takes back what the triggers had noted of that slice before
its snapshot. So a generation's counts are exact from the moment it is LIVE, the former one answers exactly
until then, and a count that is stopped goes on behind its last slice.

`broken` has a bit for each rule of the generation, from the first. Rules that come true by the passing of
time alone (an age, the end of a period) have no bit set; `dues` holds the day from which each of them is
broken, 'infinity' for not within the generation's horizon, and is empty when all of them are. `living`: ALIVE
or MISSING. Province and commune are what the person's row says, also codes that no list has; '' is nowhere.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, Identity, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base


class QualityGeneration(Base):
    __tablename__ = "quality_generations"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    state: Mapped[str]
    signature: Mapped[str]
    """Digest of what decides the counts: conditions and communes, no words."""
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """The rules in the order of their bits."""
    units_on: Mapped[date]
    horizon: Mapped[date]
    """Days from here on are not foreseen: another generation comes before."""
    begun_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=text("clock_timestamp()")
    )
    counted_until: Mapped[str | None] = mapped_column(Text(collation="C"))
    """Records before this slice are counted; null: LIVE, or begun by code that knew no slices."""
    counted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class QualityUnit(Base):
    """A commune code that a list has or had; the province is that of the generation's day."""

    __tablename__ = "quality_units"

    generation: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    current: Mapped[bool]
    province_code: Mapped[str | None]


class QualityCount(Base):
    __tablename__ = "quality_counts"

    generation: Mapped[int] = mapped_column(primary_key=True)
    province_code: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    commune_code: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    living: Mapped[bool] = mapped_column(primary_key=True)
    broken: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    dues: Mapped[list[date]] = mapped_column(ARRAY(Date), primary_key=True)
    n: Mapped[int]


class QualityDelta(Base):
    __tablename__ = "quality_deltas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    generation: Mapped[int]
    slice: Mapped[str] = mapped_column(Text(collation="C"), server_default=text("''"))
    """Of the record that changed, while its generation is COUNTING."""
    province_code: Mapped[str] = mapped_column(Text(collation="C"))
    commune_code: Mapped[str] = mapped_column(Text(collation="C"))
    living: Mapped[bool]
    broken: Mapped[int] = mapped_column(BigInteger)
    dues: Mapped[list[date]] = mapped_column(ARRAY(Date))
    n: Mapped[int]
