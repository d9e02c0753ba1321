"""Statistics as they are answered, ready for a chart: one row per unit, sex and age group."""

from datetime import date

from ndx_contracts.bodies import Output
from ndx_contracts.population import Sex


class CellOut(Output):
    """A count; null: fewer than may be published, or left out because it would give another one away."""

    sex: Sex
    age_from: int
    age_to: int | None
    count: int | None


class UnitCountOut(Output):
    """A unit with its total and its cells; no code: the country, or people who are registered nowhere."""

    code: str | None
    name: str | None
    total: int | None
    cells: tuple[CellOut, ...]


class PopulationCountsOut(Output):
    """Living people by unit, sex and age on a day, in the units of another day if that was asked.

    `not_attributable`: people of communes of which no list tells where all of them belong on that day.
    """

    on: date
    units_on: date
    level: str
    least_count: int
    items: tuple[UnitCountOut, ...]
    not_attributable: int | None
    next_cursor: None = None
