"""The text of a file of persons: its header, whole records in chunks, and which records are none."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from svc_population.imports.errors import ImportRefused
from svc_population.imports.layout import COLUMNS, REQUIRED

CHUNK_CHARACTERS = 8_000_000
MOST_CHARACTERS_OF_A_RECORD = 1_000_000
NOT_A_RECORD = ""
"""Stands for the column where a line has more or fewer cells than the header."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """A chunk without the records that are none."""

    text: str
    lines: list[int]
    """The line of each record that stays."""
    odd: list[tuple[int, str]]
    """The line of each record that goes, and the column that is to be mended."""


def header_of(line: str) -> tuple[str, ...]:
    """Read the header row.

    Raises:
        ImportRefused: an unknown or repeated column, or a required one is missing.
    """
    found = tuple(next(csv.reader([line.strip("\ufeff\r\n")]), []))
    # A file without a header begins with somebody's data: unknown columns are counted out, not quoted.
    unknown = [number for number, name in enumerate(found, 1) if name not in COLUMNS]
    missing = sorted(REQUIRED - set(found))
    if unknown or missing or len(found) != len(set(found)):
        raise ImportRefused(
            f"header: {len(unknown)} unknown columns, the first ones at {unknown[:10]},"
            f" missing {missing}, each column once"
        )
    return found


def chunks(texts: Iterable[str]) -> Iterator[str]:
    """Gather lines into chunks of whole records; a quoted field may hold line breaks.

    Text comes out in composed form (NFC), in which everything else is kept and compared.

    Raises:
        ImportRefused: the last record has no end, or one has none for too long.
    """
    gathered: list[str] = []
    size = quotes = whole = 0
    begin, line = 2, 2
    for text in texts:
        gathered.append(text)
        size += len(text)
        quotes += text.count('"')
        line += text.count("\n")
        if quotes % 2 or not text.endswith("\n"):
            if size - whole > MOST_CHARACTERS_OF_A_RECORD + len(text):
                raise ImportRefused(
                    f"a record from line {begin} on has more than {MOST_CHARACTERS_OF_A_RECORD:,} characters:"
                    " is a quote never closed?"
                )
            continue
        whole, begin = size, line
        if size >= CHUNK_CHARACTERS:
            yield _composed(gathered)
            gathered, size, quotes, whole = [], 0, 0, 0
    if not gathered:
        return
    if quotes % 2 or not gathered[-1].endswith("\n"):
        raise ImportRefused("the file was cut: its last line has no end")
    yield _composed(gathered)


def _composed(gathered: Sequence[str]) -> str:
    return unicodedata.normalize("NFC", "".join(gathered))


def lines_of(numbers: Iterable[int], chunk: str) -> dict[int, int]:
    """Return the line of each of these records of a chunk: a quoted value may hold line breaks."""
    wanted = set(numbers)
    if not wanted:
        return {}
    return {n: line for n, (line, _) in enumerate(_records(chunk), 1) if n in wanted}


def sift(chunk: str, header: Sequence[str]) -> Sifted:
    """Take out of a chunk what the database refuses: other numbers of cells, zero bytes, blank lines."""
    kept, lines, odd = io.StringIO(newline=""), [], []
    writer = csv.writer(kept, lineterminator="\n")
    for line, record in _records(chunk):
        if not record:
            continue
        zero = next((n for n, cell in zip(header, record, strict=False) if "\x00" in cell), None)
        if len(record) != len(header) or zero is not None:
            odd.append((line, zero or NOT_A_RECORD))
            continue
        writer.writerow(record)
        lines.append(line)
    return Sifted(kept.getvalue(), lines, odd)


def _records(chunk: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its last line."""
    reader = csv.reader(io.StringIO(chunk, newline=""))
    try:
        for record in reader:
            yield reader.line_num, record
    except csv.Error as error:
        raise ImportRefused(f"line {reader.line_num} of a chunk: {error}") from None
