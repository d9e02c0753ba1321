"""Use case of the forecast: today's count, carried forward by the assumptions."""

from datetime import date

from ndx_chassis.app import Runtime
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.forecast.assumptions import assumptions
from svc_population.forecast.cohort_component import OLDEST, Ages, Year, forecast, rest_of_year
from svc_population.forecast.errors import ForecastBaseTooSmall
from svc_population.forecast.in_tens import in_tens, parts_in_tens
from svc_population.forecast.schemas import AgeGroupOut, ForecastOut, ForecastYearOut
from svc_population.statistics import service as statistics

LONGEST_YEARS = 25
_LEAST_BASE = 1000
_GROUP = 5


async def population_forecast(
    session: AsyncSession, runtime: Runtime, *, province_code: str | None, years: int
) -> ForecastOut:
    """Return the coming years of the country or a province.

    Raises:
        ForecastBaseTooSmall: fewer than 1,000 people are counted there.
    """
    day = today()
    end = date(day.year, 12, 31)
    counted = await statistics.by_sex_and_age(session, runtime, province_code=province_code)
    base = Year(female=_ages(counted, "FEMALE"), male=_ages(counted, "MALE"))
    if base.total < _LEAST_BASE:
        raise ForecastBaseTooSmall
    rates = assumptions(province_code)
    # The count has the ages that people complete this year, with as many newborn as there are by now.
    rest = rest_of_year(base, rates, share=(end - day).days / end.timetuple().tm_yday)
    return ForecastOut(
        province_code=province_code,
        base_on=day,
        base_year=day.year,
        base_total=in_tens(base.total),
        rest_of_base_year=_out(day.year, rest),
        items=tuple(_out(day.year + n, found) for n, found in enumerate(forecast(rest, rates, years), 1)),
    )


def _ages(counted: dict[tuple[str, int], int], sex: str) -> Ages:
    ages = [0.0] * (OLDEST + 1)
    for (of, age), n in counted.items():
        if of == sex:
            ages[min(age, OLDEST)] += n
    return tuple(ages)


def _out(year: int, found: Year) -> ForecastYearOut:
    groups = range(0, OLDEST + 1, _GROUP)
    # The last group is the open age alone.
    women = [sum(found.female[age : age + _GROUP]) for age in groups]
    men = [sum(found.male[age : age + _GROUP]) for age in groups]
    parts = parts_in_tens([*women, *men])
    return ForecastYearOut(
        year=year,
        total=in_tens(found.total),
        births=in_tens(found.births),
        deaths=in_tens(found.deaths),
        migrants=in_tens(found.migrants),
        pyramid=tuple(
            AgeGroupOut(
                age_from=age,
                age_to=None if age >= OLDEST else age + _GROUP - 1,
                female=parts[place],
                male=parts[len(women) + place],
            )
            for place, age in enumerate(groups)
        ),
    )
