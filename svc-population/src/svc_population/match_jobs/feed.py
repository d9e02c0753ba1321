"""The rest of a job's file as slices of records: from where the job stands to the end of the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from svc_population.match_jobs import columnar
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.lines import Record, check_header, read
from svc_population.match_jobs.reading import FileRefused, Line, expanded, lines
from svc_population.match_jobs.vocabulary import Compression, FileFault, FileFormat, MatchColumn

SLICE = 5_000
MOST_LINES = 20_000_000
MOST_BLANK = 1000
"""Lines with nothing in them that may follow each other: one costs a byte, its answer thirty."""
SLICE_WITHOUT_NUMBERS = 200
"""Lines without a number cost a search each; so many make a slice that does not hold its locks for long."""


@dataclass(slots=True)
class Feed:
    """The rest of a file: its lines in order, and where the next one begins."""

    files: JobFiles
    parts: int
    compression: Compression
    form: FileFormat
    columns: tuple[MatchColumn, ...]
    position: int
    number: int
    """The number of the last line that is done."""
    rest: Iterator[Line] = field(init=False)
    header_due: bool = field(init=False)
    blank: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.form is FileFormat.PARQUET:
            content = columnar.rows(self.files, self.parts, self.columns)
        else:
            content = expanded(self.files.blocks(self.parts), self.compression)
        self.rest = lines(content, start=self.position)
        self.header_due = self.form is FileFormat.CSV and self.position == 0

    def next_slice(self) -> tuple[list[Record], list[int], bool]:
        """Return the next records, the places after each, and whether the file ends with them."""
        if self.header_due:
            first = next(self.rest, Line(b"", 0))
            check_header(first, self.columns)
            self.header_due, self.position = False, first.end
        found: list[Record] = []
        ends: list[int] = []
        costly = 0
        for line in self.rest:
            self.blank = 0 if line.content is None or line.content.strip() else self.blank + 1
            if self.blank > MOST_BLANK:
                raise FileRefused(FileFault.UNREADABLE)
            if self.number + len(found) >= MOST_LINES:
                raise FileRefused(FileFault.TOO_LARGE)
            record = read(self.number + len(found) + 1, line, self.columns, self.form)
            found.append(record)
            ends.append(line.end)
            costly += record.claimed is not None and record.claimed.personal_id is None
            if len(found) >= SLICE or costly >= SLICE_WITHOUT_NUMBERS:
                return found, ends, False
        return found, ends, True
