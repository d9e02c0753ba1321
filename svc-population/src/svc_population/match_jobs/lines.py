"""One line of a file: what it states about somebody, or why it cannot be read; and its line of the result."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from svc_population.match_jobs.reading import Content, FileRefused, TooLong
from svc_population.match_jobs.vocabulary import FileFault, FileFormat, LineOutcome, MatchColumn
from svc_population.matching.birth_dates import DateUnclear, PartialDate
from svc_population.matching.grading import Claimed
from svc_population.matching.name_folding import LONGEST, NameUnclear, cleaned

_RESULT_COLUMNS = "line,ref,outcome,personal_id,fields,reasons"
_LONGEST_REF = 64
_LETTERS = "[A-Za-zÀ-ÏÑ-ÖØ-ïñ-öø-ÿĂăĐđĨĩŨũƠơƯưẠ-ỹ]+"
PLAIN_NAME = f"(?![^,\\n]{{{LONGEST + 1}}}){_LETTERS}(?: {_LETTERS}){{0,9}}"
_PLAIN_NAME = re.compile(PLAIN_NAME)
"""Names that are clean as they stand, and all letters composed: nearly all. Others `cleaned` judges."""
_FORMS = {
    MatchColumn.PERSONAL_ID: re.compile("[0-9]{12}"),
    MatchColumn.LEGACY_ID_NUMBER: re.compile("[0-9]{9}"),
    MatchColumn.SEX: re.compile("MALE|FEMALE"),
    MatchColumn.PROVINCE_CODE: re.compile("[0-9]{2}"),
    MatchColumn.COMMUNE_CODE: re.compile("[0-9]{5}"),
    MatchColumn.HOME_TOWN_PROVINCE_CODE: re.compile("[0-9]{2}"),
}
_FORMULA = frozenset("=+-@\t\r")
"""A spreadsheet takes what begins so for a formula."""


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the file: what it states, or the reason why it is INVALID."""

    number: int
    ref: str
    claimed: Claimed | None
    invalid: str | None = None


@dataclass(slots=True)
class Answer:
    """What became of a line; `subjects` are whom the answer tells something about."""

    outcome: LineOutcome
    subjects: tuple[str, ...] = ()
    personal_id: str = ""
    fields: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    """Numbers of the reconciliation cases about its differences."""


class _Unclear(ValueError):
    """A line that cannot be read; its word is the reason in the result."""


def check_header(line: Content, columns: Sequence[MatchColumn]) -> None:
    """Compare the first line of a CSV file with the columns that were announced.

    Raises:
        FileRefused: they differ, or the file is not UTF-8.
    """
    content = (b"" if isinstance(line, TooLong) else line.removesuffix(b"\r")).removeprefix(b"\xef\xbb\xbf")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise FileRefused(FileFault.ENCODING)
    try:
        found = next(csv.reader([content.decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        raise FileRefused(FileFault.HEADER) from None
    if found != [c.value for c in columns]:
        raise FileRefused(FileFault.HEADER)


def read(number: int, line: Content, columns: Sequence[MatchColumn], form: FileFormat) -> Record:
    """Read one line."""
    ref = ""
    try:
        values = _values(line, columns, form)
        ref = values.pop(MatchColumn.REF, "")
        if len(ref) > _LONGEST_REF or not ref.isprintable():
            return Record(number, "", None, "ref-wrong")
        return Record(number, ref, _claimed(values))
    except _Unclear as unclear:
        return Record(number, ref, None, str(unclear))


def _values(line: Content, columns: Sequence[MatchColumn], form: FileFormat) -> dict[MatchColumn, str]:
    if isinstance(line, TooLong):
        raise _Unclear("line-too-long")
    try:
        text = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise _Unclear("encoding-wrong") from None
    if "\0" in text:
        raise _Unclear("encoding-wrong")
    if form is not FileFormat.CSV:
        return _object(text, columns)
    cells = text.split(",") if '"' not in text else _quoted(text)
    if len(cells) != len(columns):
        raise _Unclear("columns-wrong")
    return {column: cell for column, cell in zip(columns, cells, strict=True) if cell}


def _quoted(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration):
        raise _Unclear("quotes-wrong") from None


def _object(text: str, columns: Sequence[MatchColumn]) -> dict[MatchColumn, str]:
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Unclear("json-wrong") from None
    if not isinstance(found, dict) or not set(found) <= set(columns):
        raise _Unclear("columns-wrong")
    if not all(value is None or isinstance(value, str) for value in found.values()):
        raise _Unclear("json-wrong")
    return {MatchColumn(name): value for name, value in found.items() if value}


def _claimed(values: dict[MatchColumn, str]) -> Claimed:
    for column, form in _FORMS.items():
        value = values.get(column)
        if value is not None and not form.fullmatch(value):
            raise _Unclear(f"{column.value.replace('_', '-')}-wrong")
    stated = values.get
    return Claimed(
        name=_name(stated(MatchColumn.NAME, "")),
        birth_date=_born(stated(MatchColumn.BIRTH_DATE, "")),
        personal_id=stated(MatchColumn.PERSONAL_ID),
        sex=stated(MatchColumn.SEX),
        legacy_id_number=stated(MatchColumn.LEGACY_ID_NUMBER),
        province_code=stated(MatchColumn.PROVINCE_CODE),
        commune_code=stated(MatchColumn.COMMUNE_CODE),
        home_town_province_code=stated(MatchColumn.HOME_TOWN_PROVINCE_CODE),
    )


def _name(text: str) -> str:
    if not text:
        raise _Unclear("name-missing")
    if _PLAIN_NAME.fullmatch(text):
        return text
    try:
        return cleaned(text)
    except NameUnclear:
        raise _Unclear("name-wrong") from None


@lru_cache(maxsize=65_536)
def _born(text: str) -> PartialDate:
    if not text:
        raise _Unclear("birth-date-missing")
    try:
        return PartialDate.parse(text)
    except DateUnclear:
        raise _Unclear("birth-date-wrong") from None


def result_header(*, opens_cases: bool) -> str:
    return f"{_RESULT_COLUMNS},cases\n" if opens_cases else f"{_RESULT_COLUMNS}\n"


def shown(ref: str) -> str:
    """Return a reference as a cell of the result."""
    if not ref or ref.isalnum():
        return ref
    if ref[0] in _FORMULA:
        ref = f"'{ref}"
    return '"' + ref.replace('"', '""') + '"'


def result_line(record: Record, answer: Answer, *, opens_cases: bool = False) -> str:
    """Return a line of the result; what could be a formula in a spreadsheet begins with an apostrophe."""
    cases = f",{';'.join(answer.cases)}" if opens_cases else ""
    return (
        f"{record.number},{shown(record.ref)},{answer.outcome.value},{answer.personal_id},"
        f"{';'.join(answer.fields)},{';'.join(answer.reasons)}{cases}\n"
    )
