"""Reads the assumptions: rates by age groups become rates by single years of age."""

import csv
from functools import cache
from importlib import resources

from svc_population.forecast.cohort_component import OLDEST, Ages, Assumptions

_OLDEST_MOTHER = 49


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _by_age(groups: list[tuple[int, float]], *, last: int = OLDEST) -> Ages:
    ages = [0.0] * (OLDEST + 1)
    for begin, rate in sorted(groups):
        # Each group ends where the next begins.
        ages[begin : last + 1] = [rate] * (last + 1 - begin)
    return tuple(ages)


@cache
def assumptions(province_code: str | None) -> Assumptions:
    """Return the rates of a province; of the whole country nobody migrates."""
    mortality = _rows("mortality.csv")
    migration = _by_age(
        [
            (int(r["age_from"]), float(r["net_rate"]))
            for r in _rows("migration.csv")
            if r["province_code"] == province_code
        ]
    )
    return Assumptions(
        female_mortality=_by_age([(int(r["age_from"]), float(r["female"])) for r in mortality]),
        male_mortality=_by_age([(int(r["age_from"]), float(r["male"])) for r in mortality]),
        fertility=_by_age(
            [(int(r["age_from"]), float(r["rate"])) for r in _rows("fertility.csv")], last=_OLDEST_MOTHER
        ),
        female_migration=migration,
        male_migration=migration,
    )
