"""A forecast as it is answered, ready for a chart: numbers are rounded to tens."""

from datetime import date

from ndx_contracts.bodies import Output


class AgeGroupOut(Output):
    age_from: int
    age_to: int | None
    female: int
    male: int


class ForecastYearOut(Output):
    """The population at the end of a year, what the year brought, and the pyramid, which adds up to it."""

    year: int
    total: int
    births: int
    deaths: int
    migrants: int
    pyramid: tuple[AgeGroupOut, ...]


class ForecastOut(Output):
    """The base is today's count, carried to the end of its year first: `rest_of_base_year` brought that.

    `method` and `assumptions` say where to read how it was made.
    """

    province_code: str | None
    base_on: date
    base_year: int
    base_total: int
    method: str = "cohort-component"
    assumptions: str = "own, not official: docs/agencies/statistics.md"
    rest_of_base_year: ForecastYearOut
    items: tuple[ForecastYearOut, ...]
    next_cursor: None = None
