"""All SQL of matching: people by the keys of their names, with birth dates or a commune."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons.search_keys import COMMUNE, GIVEN_NAME_KEY, NAME_KEY, PROVINCE

PersonRow = dict[str, Any]
"""A whole row of `persons` by column."""
MOST_READ = 300
"""Rows of one step of a search: the database never reads more than this for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is looked for; None is everywhere."""

    province: str | None = None
    commune: str | None = None


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
    }
    values = {name: value for name, value in asked.items() if value} | {"given": list(names.given)}
    if scope is not None and scope.bounded:
        values |= {"provinces": list(scope.provinces), "communes": list(scope.communes)}
    found = await session.execute(_statement(frozenset(values)), {**values, "most": most})
    return list({row["personal_id"]: dict(row) for row in found.mappings()}.values())


_BY_NUMBER = text("SELECT * FROM persons WHERE personal_id = :number")
_BY_LEGACY_NUMBER = text("SELECT * FROM persons WHERE legacy_id_number = :number LIMIT :most")


async def by_number(session: AsyncSession, personal_id: str) -> list[PersonRow]:
    """Return the person of a number of today, if any."""
    found = await session.execute(_BY_NUMBER, {"number": personal_id})
    return [dict(row) for row in found.mappings()]


async def by_legacy_number(session: AsyncSession, number: str, *, most: int) -> list[PersonRow]:
    """Return whoever had this number of nine digits; it was given twice at times."""
    found = await session.execute(_BY_LEGACY_NUMBER, {"number": number, "most": most})
    return [dict(row) for row in found.mappings()]
