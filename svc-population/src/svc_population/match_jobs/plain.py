"""Lines as nearly all are: with a number, a clean name and a whole birth date, read by one pattern.

Whatever the pattern does not take is read by `lines.read`, which alone knows what is wrong with a line; what
it takes, `lines.read` would read the same (`tests/match_jobs/test_plain.py`).
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from svc_population.match_jobs.lines import PLAIN_NAME
from svc_population.match_jobs.reading import Line
from svc_population.match_jobs.vocabulary import FileFormat, MatchColumn
from svc_population.matching.birth_dates import DateUnclear, PartialDate

_CELLS = {
    MatchColumn.REF: "[0-9A-Za-z][0-9A-Za-z_./ -]{0,63}|",
    MatchColumn.PERSONAL_ID: "[0-9]{12}",
    MatchColumn.NAME: PLAIN_NAME,
    MatchColumn.BIRTH_DATE: "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    MatchColumn.SEX: "MALE|FEMALE|",
    MatchColumn.LEGACY_ID_NUMBER: "[0-9]{9}|",
    MatchColumn.PROVINCE_CODE: "[0-9]{2}|",
    MatchColumn.COMMUNE_CODE: "[0-9]{5}|",
    MatchColumn.HOME_TOWN_PROVINCE_CODE: "[0-9]{2}|",
}


class Plain(NamedTuple):
    """What a plain line states."""

    ref: str
    number: str
    name: str
    born: str
    sex: str
    legacy: str
    """Empty where the line says nothing."""


def reader(columns: Sequence[MatchColumn], form: FileFormat) -> Callable[[Line], Plain | None]:
    """Return a function that reads a plain line of these columns, and returns None of any other."""
    if MatchColumn.PERSONAL_ID not in columns:
        return _nothing
    taken = re.compile(",".join(f"({_CELLS[c]})" for c in columns)).fullmatch
    place = {column: at for at, column in enumerate(columns)}
    ref, sex, legacy = (
        place.get(c) for c in (MatchColumn.REF, MatchColumn.SEX, MatchColumn.LEGACY_ID_NUMBER)
    )
    number, name, born = (
        place[c] for c in (MatchColumn.PERSONAL_ID, MatchColumn.NAME, MatchColumn.BIRTH_DATE)
    )
    text_of = _csv if form is FileFormat.CSV else _joined([c.value for c in columns])

    def read(line: Line) -> Plain | None:
        content = line.content
        if content is None:
            return None
        try:
            found = taken(text_of(content))
        except ValueError:  # no UTF-8, no JSON
            return None
        if found is None:
            return None
        cells = found.groups("")
        if not _is_day(cells[born]):
            return None
        return Plain(
            cells[ref] if ref is not None else "",
            cells[number],
            cells[name],
            cells[born],
            cells[sex] if sex is not None else "",
            cells[legacy] if legacy is not None else "",
        )

    return read


def _nothing(_line: Line) -> None:
    return None


def _csv(content: bytes) -> str:
    return content.decode()


def _joined(columns: Sequence[str]) -> Callable[[bytes], str]:
    """Return a function that puts the members of an object beside each other, as a CSV line has them."""
    known = frozenset(columns)

    def text_of(content: bytes) -> str:
        found = orjson.loads(content)
        if not isinstance(found, dict) or not found.keys() <= known:
            return ""
        cells = ["" if (cell := found.get(column)) is None else cell for column in columns]
        return ",".join(cells) if all(type(cell) is str for cell in cells) else ""

    return text_of


@lru_cache(maxsize=65_536)
def _is_day(text: str) -> bool:
    try:
        return PartialDate.parse(text).day is not None
    except DateUnclear:
        return False
