"""Use case of the forecast: today's count, carried forward by the assumptions."""

from ndx_chassis.app import Runtime
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.forecast.assumptions import assumptions
from svc_population.forecast.cohort_component import OLDEST, Ages, Year, forecast
from svc_population.forecast.errors import ForecastBaseTooSmall
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
    year = today().year
    counted = await statistics.by_sex_and_age(session, runtime, province_code=province_code)
    base = Year(female=_ages(counted, "FEMALE"), male=_ages(counted, "MALE"))
    if base.total < _LEAST_BASE:
        raise ForecastBaseTooSmall
    coming = forecast(base, assumptions(province_code), years)
    return ForecastOut(
        province_code=province_code,
        base_year=year,
        base_total=_rounded(base.total),
        items=tuple(_out(year + n, found) for n, found in enumerate(coming, 1)),
    )


def _ages(counted: dict[tuple[str, int], int], sex: str) -> Ages:
    ages = [0.0] * (OLDEST + 1)
    for (of, age), n in counted.items():
        if of == sex:
            ages[min(age, OLDEST)] += n
    return tuple(ages)


def _rounded(number: float) -> int:
    """Return a number in tens: a forecast is no exacter, and names nobody."""
    return int(round(number, -1))


def _out(year: int, found: Year) -> ForecastYearOut:
    return ForecastYearOut(
        year=year,
        total=_rounded(found.total),
        births=_rounded(found.births),
        deaths=_rounded(found.deaths),
        migrants=_rounded(found.migrants),
        pyramid=tuple(
            AgeGroupOut(
                age_from=age,
                age_to=None if age >= OLDEST else age + _GROUP - 1,
                female=_rounded(sum(found.female[age : age + _GROUP])),
                male=_rounded(sum(found.male[age : age + _GROUP])),
            )
            for age in range(0, OLDEST + 1, _GROUP)
        ),
    )
