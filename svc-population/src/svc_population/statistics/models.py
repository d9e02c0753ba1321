"""Counts of living people, kept as the persons' rows change.

A trigger on `persons` writes what each statement changed into `population_deltas`, whoever changes it
(births, moves, deaths, corrections, mergers, imports), in the same transaction: so counts are exact at every
moment and nobody waits for a counter. A job folds deltas into `population_counts` (today) and
`population_days` (what each day changed). Counted are people who are alive or missing, where they are
registered; '' stands for nowhere. The count of a past day is today's without what later days changed, by the
day of recording.

The same triggers write movements: births and first entries (but what a load takes over), deaths less those
taken back, departures and arrivals with the least level whose units differ.
"""

from datetime import date

from sqlalchemy import BigInteger, Identity
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base


class PopulationCount(Base):
    __tablename__ = "population_counts"

    commune_code: Mapped[str] = mapped_column(primary_key=True)
    sex: Mapped[str] = mapped_column(primary_key=True)
    birth_year: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


class PopulationDay(Base):
    __tablename__ = "population_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    commune_code: Mapped[str] = mapped_column(primary_key=True)
    sex: Mapped[str] = mapped_column(primary_key=True)
    birth_year: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


class PopulationDelta(Base):
    __tablename__ = "population_deltas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    day: Mapped[date]
    commune_code: Mapped[str]
    sex: Mapped[str]
    birth_year: Mapped[int]
    n: Mapped[int]


class PopulationMovement(Base):
    __tablename__ = "population_movements"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    across: Mapped[str] = mapped_column(primary_key=True)
    """COMMUNE: a move within a province; PROVINCE: between two. Empty for what is no move."""
    commune_code: Mapped[str] = mapped_column(primary_key=True)
    sex: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]


class MovementDelta(Base):
    __tablename__ = "movement_deltas"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    day: Mapped[date]
    kind: Mapped[str]
    across: Mapped[str]
    commune_code: Mapped[str]
    sex: Mapped[str]
    n: Mapped[int]
