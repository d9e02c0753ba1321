"""All SQL of matching: people by the keys of their names, with birth dates, a commune or a household."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons.search_keys import COMMUNE, GIVEN_NAME_KEY, NAME_KEY, PROVINCE

Spans = Sequence[tuple[date, date]]
PersonRow = dict[str, Any]
"""A whole row of `persons` by column."""
MOST_READ = 300
"""Rows of one step of a search: the database never reads more than this for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is looked for; None is everywhere."""

    province: str | None = None
    commune: str | None = None
    household: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The agreement's administrative scope; both empty is the whole country."""

    provinces: tuple[str, ...]
    communes: tuple[str, ...]

    @property
    def bounded(self) -> bool:
        return bool(self.provinces or self.communes)


@dataclass(frozen=True, slots=True)
class Names:
    """Keys without accents: given names that lead to the index, and the whole name or its first words."""

    given: tuple[str, ...]
    whole: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()


_CONDITIONS = {
    "given": f"{GIVEN_NAME_KEY} = ANY (CAST(:given AS text[]))",
    "firsts": "birth_date BETWEEN span.first AND span.last",
    "whole": f"{NAME_KEY} = ANY (CAST(:whole AS text[]))",
    "beginnings": f"{NAME_KEY} >= b.beginning || ' ' AND {NAME_KEY} < b.beginning || '!'",
    "sex": "sex = :sex",
    "province": f"{PROVINCE} = :province",
    "commune": f"{COMMUNE} = :commune",
    "household": "household_number = :household",
    "provinces": f"({PROVINCE} = ANY (CAST(:provinces AS text[]))"
    f" OR {COMMUNE} = ANY (CAST(:communes AS text[])))",
}
_SOURCES = {
    "firsts": "unnest(CAST(:firsts AS date[]), CAST(:lasts AS date[])) AS span(first, last)",
    "beginnings": "unnest(CAST(:beginnings AS text[])) AS b(beginning)",
}


@cache
def _statement(given: frozenset[str]) -> TextClause:
    """Return the query for these parameters: the planner sees the indexes' expressions, nothing else."""
    where = " AND ".join(sql for name, sql in _CONDITIONS.items() if name in given)
    people = f"SELECT * FROM persons WHERE {where} LIMIT :most"  # noqa: S608 - constants; values are parameters
    sources = [sql for name, sql in _SOURCES.items() if name in given]
    if not sources:
        return text(people)
    joined = " CROSS JOIN ".join([*sources, f"LATERAL ({people}) p"])
    return text(f"SELECT p.* FROM {joined} LIMIT :most")  # noqa: S608 - the same


async def people(
    session: AsyncSession,
    names: Names,
    *,
    spans: Sequence[tuple[date, date]] = (),
    sex: str | None = None,
    place: Place | None = None,
    scope: Scope | None = None,
    most: int = MOST_READ,
) -> list[PersonRow]:
    """Return people with such a name, born in one of the spans (if any), each once; at most `most`."""
    asked: dict[str, Any] = {
        "firsts": [first for first, _ in spans],
        "lasts": [last for _, last in spans],
        "whole": list(names.whole),
        "beginnings": list(names.beginnings),
        "sex": sex,
        "province": place.province if place else None,
        "commune": place.commune if place else None,
        "household": place.household if place else None,
    }
    values = {name: value for name, value in asked.items() if value} | {"given": list(names.given)}
    if scope is not None and scope.bounded:
        values |= {"provinces": list(scope.provinces), "communes": list(scope.communes)}
    found = await session.execute(_statement(frozenset(values)), {**values, "most": most})
    return list({row["personal_id"]: dict(row) for row in found.mappings()}.values())


_PLACES = ("permanent", "temporary", "current", "birth_registration")
_WEIGHED = ", ".join(
    (
        *("personal_id", "surname", "middle_name", "given_name", "birth_date", "sex", "legacy_id_number"),
        "home_town_province_code",
        *(f"{kind}_{level}_code" for kind in _PLACES for level in ("province", "commune")),
    )
)
"""What grading and the scope look at."""
_CUT = "string_to_array({}, '|')"


@cache
def _together(given: frozenset[str]) -> TextClause:
    """Return the query for many records at once.

    Days are looked up together: each of sixteen partitions costs a look, and a record has up to five days.
    """
    conditions = [
        f"{GIVEN_NAME_KEY} = ANY ({_CUT.format('q.given')})",
        f"birth_date = ANY (CAST({_CUT.format('q.days')} AS date[]))"
        if "days" in given
        else "birth_date BETWEEN q.first AND q.last",
        *([f"{NAME_KEY} = ANY ({_CUT.format('q.whole')})"] if "whole" in given else []),
        *([_CONDITIONS["provinces"]] if "provinces" in given else []),
    ]
    return text(
        "SELECT q.place, p.* FROM unnest(CAST(:places AS int[]), CAST(:given AS text[]),"  # noqa: S608 - constants
        " CAST(:wholes AS text[]), CAST(:days AS text[]), CAST(:firsts AS date[]), CAST(:lasts AS date[]))"
        " AS q(place, given, whole, days, first, last) CROSS JOIN LATERAL"
        f" (SELECT {_WEIGHED} FROM persons WHERE {' AND '.join(conditions)} LIMIT :most) p"
    )


async def people_together(
    session: AsyncSession,
    asked: Mapping[int, tuple[Names, Spans]],
    *,
    whole: bool,
    scope: Scope,
    most: int,
) -> dict[int, list[PersonRow]]:
    """Return by place whom `people` finds for several records, with the columns that are weighed.

    `whole`: by the whole name, too. Of a record's days, and of each longer span, at most `most` are read:
    where a place has as many in all, there may be more.
    """
    rows: dict[bool, list[tuple[int, str, str, str, date, date]]] = {True: [], False: []}
    for place, (names, spans) in asked.items():
        keys = place, "|".join(names.given), "|".join(names.whole)
        days = {first for first, last in spans if first == last}
        if days:
            rows[True].append((*keys, "|".join(map(str, sorted(days))), min(days), max(days)))
        rows[False] += [(*keys, "", first, last) for first, last in spans if first < last]
    found: dict[int, dict[str, PersonRow]] = {place: {} for place in asked}
    bounds: dict[str, Any] = {"provinces": list(scope.provinces), "communes": list(scope.communes)}
    given = {*(["whole"] if whole else []), *(["provinces"] if scope.bounded else [])}
    for by_day, some in rows.items():
        if not some:
            continue
        columns = [list(column) for column in zip(*some, strict=True)]
        values: dict[str, Any] = dict(
            zip(("places", "given", "wholes", "days", "firsts", "lasts"), columns, strict=True)
        )
        statement = _together(frozenset({*given, *(["days"] if by_day else [])}))
        values |= {"most": most, **(bounds if scope.bounded else {})}
        for row in (await session.execute(statement, values)).mappings():
            found[row["place"]][row["personal_id"]] = dict(row)
    return {place: list(people.values()) for place, people in found.items()}


_BY_NUMBER = text("SELECT * FROM persons WHERE personal_id = :number")
_BY_LEGACY_NUMBER = text("SELECT * FROM persons WHERE legacy_id_number = :number LIMIT :most")
_BY_LEGACY_NUMBERS = text(
    f"SELECT p.* FROM unnest(CAST(:numbers AS text[])) q(number) CROSS JOIN LATERAL ("  # noqa: S608 - constants
    f"SELECT {_WEIGHED} FROM persons WHERE legacy_id_number = q.number LIMIT :most) p"
)


async def by_number(session: AsyncSession, personal_id: str) -> list[PersonRow]:
    """Return the person of a number of today, if any."""
    found = await session.execute(_BY_NUMBER, {"number": personal_id})
    return [dict(row) for row in found.mappings()]


async def by_legacy_number(session: AsyncSession, number: str, *, most: int) -> list[PersonRow]:
    """Return whoever had this number of nine digits; it was given twice at times."""
    found = await session.execute(_BY_LEGACY_NUMBER, {"number": number, "most": most})
    return [dict(row) for row in found.mappings()]


async def by_legacy_numbers(
    session: AsyncSession, numbers: Sequence[str], *, most: int
) -> dict[str, list[PersonRow]]:
    """Return by number what `by_legacy_number` finds for each, with the columns that are weighed."""
    found: dict[str, list[PersonRow]] = {number: [] for number in numbers}
    if found:
        read = await session.execute(_BY_LEGACY_NUMBERS, {"numbers": list(found), "most": most})
        for row in read.mappings():
            found[row["legacy_id_number"]].append(dict(row))
    return found
