r"""The layout of a change file: NDJSON with one change per line, or CSV with one change per record.

Both are UTF-8 and end with a line break; a file that does not was cut. An NDJSON line has the members of
`PATCH /population/v1/persons/{personal_id}`, with `personal_id` and, where there are, `case_id`, `officer`
and `version` beside them. In CSV each of these is a column: `personal_id`, `kind`, `effective_from`,
`case_id`, `officer`, `version`, `document.kind`, `document.number`, `document.issued_by`,
`document.issued_on`, and the changed members by their path, such as `religion`, `birth_name.given_name` or
`contact.phone`. An empty cell says nothing; `\N` empties the group or member. Every cell is data, whatever it
begins with.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from svc_population.changes.schemas import ChangesIn
from svc_population.imports.errors import ImportRefused

MOST_BYTES_OF_A_LINE = 1_000_000
NULL = "\\N"
_PLAIN = ("personal_id", "kind", "effective_from", "case_id", "officer", "version")
_DOCUMENT = ("document.kind", "document.number", "document.issued_by", "document.issued_on")
_REQUIRED = frozenset({"personal_id", "kind", *_DOCUMENT})
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "birth_name": ("surname", "middle_name", "given_name"),
    "birth_place": ("commune_code", "text"),
    "birth_registration_place": ("province_code", "commune_code"),
    "home_town": ("province_code", "text"),
    "death_or_missing_date": ("status", "date"),
    "contact": ("phone", "email"),
}
_NOT_IN_CSV = frozenset({"card_history", "other_information"})
"""Groups that are lists or free objects: they come in NDJSON."""
COLUMNS: frozenset[str] = frozenset(
    {
        *_PLAIN,
        *_DOCUMENT,
        *(name for name in ChangesIn.model_fields if name not in _NOT_IN_CSV),
        *(f"{group}.{member}" for group, members in _MEMBERS.items() for member in members),
    }
)
_VERSION = re.compile(r"[0-9]{1,9}")
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that can be read whole."""

    sha256: str
    is_csv: bool


class BadLine(Exception):
    """A line that is no change; `code` says why, without quoting it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check(path: Path) -> Checked:
    """Read the file once, before anything is applied.

    Raises:
        ImportRefused: it is not UTF-8, was cut, is empty, has a line or a cell that is too long, a strange
            header or a quote that is never closed.
    """
    digest = hashlib.sha256()
    last, first, number = b"", b"", 0
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), 1):
            digest.update(line)
            first, last = first or line, line
            _text(line, number)
    if number == 0:
        raise ImportRefused("the file is empty")
    if not last.endswith(b"\n"):
        raise ImportRefused(f"the file was cut: line {number}, the last one, has no end")
    is_csv = not first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{")
    if is_csv:
        _header(_text(first, 1))
        # Where a record ends is sure only when all of them do.
        for _ in changes(path, is_csv=True):
            pass
    return Checked(digest.hexdigest(), is_csv)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_BYTES_OF_A_LINE + 1):
        if len(line) > MOST_BYTES_OF_A_LINE:
            raise ImportRefused(f"a line has more than {MOST_BYTES_OF_A_LINE:,} bytes")
        yield line


def _text(line: bytes, number: int) -> str:
    if number == 1 and line[:2] in _BOMS:
        raise ImportRefused(f"the file is {_BOMS[line[:2]]}, not UTF-8")
    if b"\x00" in line:
        raise ImportRefused(f"line {number} holds a zero byte: this is no text in UTF-8")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ImportRefused(f"line {number} is not UTF-8, from its byte {error.start + 1} on") from None


def _header(line: str) -> list[str]:
    found = next(csv.reader([line], strict=True), [])
    unknown, missing = sorted(set(found) - COLUMNS), sorted(_REQUIRED - set(found))
    if unknown or missing or len(found) != len(set(found)):
        # Names of unknown columns may be a cut file's data: only how many there are is told.
        raise ImportRefused(f"header: {len(unknown)} unknown columns, missing {missing}, each column once")
    return found


def changes(path: Path, *, is_csv: bool) -> Iterator[dict[str, Any] | BadLine]:
    """Yield each change as the members of a line, or why it is none.

    Raises:
        ImportRefused: a quote is never closed, so that the rest of the file is one cell.
    """
    if is_csv:
        with path.open(encoding="utf-8-sig", newline="") as text:
            yield from _of_csv(text)
    else:
        with path.open("rb") as file:
            for line in _lines(file):
                if line.strip():
                    yield _of_json(line.removeprefix(b"\xef\xbb\xbf"))


def _of_json(line: bytes) -> dict[str, Any] | BadLine:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return BadLine("malformed-json")
    return found if isinstance(found, dict) else BadLine("malformed-json")


def _of_csv(text: io.TextIOWrapper) -> Iterator[dict[str, Any] | BadLine]:
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader)
        for record in reader:
            if len(record) == len(header):
                yield _nested(zip(header, record, strict=True))
            elif record:
                yield BadLine("wrong-number-of-cells")
    except csv.Error as error:
        raise ImportRefused(f"line {reader.line_num}: {error}") from None


def _nested(cells: Iterable[tuple[str, str]]) -> dict[str, Any]:
    line: dict[str, Any] = {"changes": {}}
    for name, cell in cells:
        if cell == "":
            continue
        value: Any = None if cell == NULL else cell
        if name in _PLAIN:
            line[name] = int(cell) if name == "version" and _VERSION.fullmatch(cell) else value
            continue
        target = line if name in _DOCUMENT else line["changes"]
        group, _, member = name.partition(".")
        if member:
            inner = target.setdefault(group, {})
            if isinstance(inner, dict):
                inner[member] = value
        else:
            target[group] = value
    return line
