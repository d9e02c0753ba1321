"""How indicators moved, as it is answered: one row per day and indicator, as a chart takes it."""

from datetime import date, datetime

from ndx_contracts.bodies import Output


class QualityPointOut(Output):
    """An indicator on a day: of those checked, who is without this fault.

    `indicator`: a dimension, or the code of a rule. `generation`: where it changes, rules or the list of
    communes did.
    """

    day: date
    indicator: str
    checked: int
    faultless: int
    percent: float | None
    generation: int
    kept_at: datetime


class QualitySeriesOut(Output):
    """The points of one unit, by day; a day on which nothing was kept has none."""

    level: str
    code: str | None
    name: str | None
    since: date
    until: date
    items: tuple[QualityPointOut, ...]
    next_cursor: None = None
