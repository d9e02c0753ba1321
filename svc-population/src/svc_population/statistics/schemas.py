"""Statistics as they are answered, ready for a chart: one row per unit, sex and age group."""

from datetime import date
from enum import StrEnum

from ndx_contracts.bodies import Output
from ndx_contracts.population import Sex


class CellOut(Output):
    """A number of people; a cell that is not there has none, or too few to be told."""

    sex: Sex
    age_from: int
    age_to: int | None
    count: int


class UnitCountOut(Output):
    """A unit with its total, the sum of its cells; no code: the country, or people registered nowhere.

    `complete` false: by the lists of units, some people of this unit may be among those not attributable, or
    people of a unit that ended beside it may be counted here.
    """

    code: str | None
    name: str | None
    complete: bool
    total: int
    cells: tuple[CellOut, ...]


class PopulationCountsOut(Output):
    """Living people by unit, sex and age on a day, in the units of another day if that was asked.

    `least_count`: numbers below it, and changes of fewer people, are never told exactly: every number is a
    sum of numbers of one commune, sex and birth year that are rounded to it (ADR 34). Null: all are exact.
    `not_attributable`: people of communes of which no list tells where all of them belong on that day; of
    the asked province, and of communes that no list places in any.
    """

    on: date
    units_on: date
    level: str
    least_count: int | None
    items: tuple[UnitCountOut, ...]
    not_attributable: int
    next_cursor: None = None


class Movement(StrEnum):
    BIRTH = "BIRTH"
    """A new record of somebody born within a year before."""
    ENTRY = "ENTRY"
    """A new record of anybody else, who was in no register; what a load takes over is neither."""
    DEATH = "DEATH"
    """Deaths on record, less those that were taken back: so a number may be below zero."""
    ARRIVAL = "ARRIVAL"
    DEPARTURE = "DEPARTURE"


class MovementOut(Output):
    """How often something happened to people of a sex."""

    kind: Movement
    sex: Sex
    count: int


class UnitMovementsOut(Output):
    """A unit with what happened in it; `code` and `complete` as in `UnitCountOut`."""

    code: str | None
    name: str | None
    complete: bool
    cells: tuple[MovementOut, ...]


class PopulationMovementsOut(Output):
    """What was recorded on some days, both included, by unit of today, exactly.

    A move counts at each level whose units differ: for a province those from and to other provinces, for the
    country none.
    """

    since: date
    until: date
    level: str
    items: tuple[UnitMovementsOut, ...]
    not_attributable: int
    next_cursor: None = None
