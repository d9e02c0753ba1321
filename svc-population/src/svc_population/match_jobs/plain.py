"""Lines as nearly all are: with a number, a clean name and a whole birth date, read by one pattern.

Whatever the pattern does not take is read by `lines.read`, which alone knows what is wrong with a line; what
it takes, `lines.read` would read the same (`tests/match_jobs/test_plain.py`). Lines are read many at a time
and kept by column: an object for each line costs more than all else that Python does with it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import orjson

from svc_population.match_jobs.lines import PLAIN_NAME
from svc_population.match_jobs.reading import Content, TooLong
from svc_population.match_jobs.vocabulary import FileFormat, MatchColumn
from svc_population.matching.birth_dates import DateUnclear, PartialDate

_CELLS = {
    MatchColumn.REF: "[0-9A-Za-z][0-9A-Za-z_./ -]{0,63}+|",
    MatchColumn.PERSONAL_ID: "[0-9]{12}",
    MatchColumn.NAME: PLAIN_NAME,
    MatchColumn.BIRTH_DATE: "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    MatchColumn.SEX: "MALE|FEMALE|",
    MatchColumn.LEGACY_ID_NUMBER: "[0-9]{9}|",
    MatchColumn.PROVINCE_CODE: "[0-9]{2}|",
    MatchColumn.COMMUNE_CODE: "[0-9]{5}|",
    MatchColumn.HOME_TOWN_PROVINCE_CODE: "[0-9]{2}|",
}
_STATED = (
    MatchColumn.REF,
    MatchColumn.PERSONAL_ID,
    MatchColumn.NAME,
    MatchColumn.BIRTH_DATE,
    MatchColumn.SEX,
    MatchColumn.LEGACY_ID_NUMBER,
)
_AT_ONCE = 1000
"""Lines of one search: it lets nothing else of the process run."""
_MOST_DAYS = 100_000
_days: set[str] = set()
"""Days that were found to be some."""


class Stated(NamedTuple):
    """What plain lines state, by column; a line that is not plain has an empty cell in each."""

    ref: list[str]
    number: list[str]
    name: list[str]
    born: list[str]
    sex: list[str]
    legacy: list[str]
    """Empty where the line says nothing."""

    def first_of(self, number: int) -> "Stated":
        return Stated(*(column[:number] for column in self))


def reader(columns: Sequence[MatchColumn], form: FileFormat) -> Callable[[Sequence[Content]], Stated]:
    """Return a function that reads lines of these columns, as far as they are plain."""
    if MatchColumn.PERSONAL_ID not in columns:
        return _nothing
    cells = [f"({_CELLS[c]})" if c in _STATED else f"(?:{_CELLS[c]})" for c in columns]
    pattern = re.compile(rf"(?:{','.join(cells)}\r?|[^\n]*)\n")
    groups = [c for c in columns if c in _STATED]
    places = [groups.index(c) if c in groups else None for c in _STATED]
    text_of = _csv if form is FileFormat.CSV else _joined([c.value for c in columns])

    def read(lines: Sequence[Content]) -> Stated:
        rows: list[tuple[str, ...]] = []
        for start in range(0, len(lines), _AT_ONCE):
            rows += pattern.findall(text_of(lines[start : start + _AT_ONCE]))
        if len(rows) != len(lines):
            raise AssertionError(len(lines))
        # A column at a time: `zip(*rows)` makes an iterator of each row, which costs twice the search.
        stated = Stated(*([""] * len(lines) if at is None else [row[at] for row in rows] for at in places))
        _drop_strange_days(stated)
        return stated

    return read


def _nothing(lines: Sequence[Content]) -> Stated:
    return Stated(*([""] * len(lines) for _ in _STATED))


def _csv(lines: Iterable[Content]) -> str:
    # What is no UTF-8 becomes a character that no plain line has.
    whole = b"\n".join([b"" if isinstance(line, TooLong) else line for line in lines])
    return (whole + b"\n").decode(errors="replace")


def _joined(columns: Sequence[str]) -> Callable[[Iterable[Content]], str]:
    """Return a function that puts the members of objects beside each other, as CSV lines have them."""
    known = frozenset(columns)

    def text_of(line: Content) -> str:
        if isinstance(line, TooLong):
            return ""
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            return ""
        if not isinstance(found, dict) or not found.keys() <= known:
            return ""
        cells = ["" if (cell := found.get(column)) is None else cell for column in columns]
        text = ",".join(cells) if all(type(cell) is str for cell in cells) else ""
        return "" if "\n" in text or "\r" in text else text

    return lambda lines: "".join([text_of(line) + "\n" for line in lines])


def _drop_strange_days(stated: Stated) -> None:
    """Empty the cells of lines whose birth date is no day."""
    if len(_days) > _MOST_DAYS:
        _days.clear()
    unknown = {text for text in set(stated.born) - _days if text}
    good = {text for text in unknown if _is_day(text)}
    _days.update(good)
    if strange := unknown - good:
        for place, text in enumerate(stated.born):
            if text in strange:
                for column in stated:
                    column[place] = ""


def _is_day(text: str) -> bool:
    try:
        return PartialDate.parse(text).day is not None
    except DateUnclear:
        return False
