"""The rest of a job's file as slices of records: from where the job stands to the end of the file."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from svc_population.match_jobs import columnar
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.lines import Record, check_header, read
from svc_population.match_jobs.plain import Plain, reader
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
    plain: Callable[[Line], Plain | None] = field(init=False)
    waiting: list[Line] = field(init=False, default_factory=list)
    """Lines that were taken from the file and not yet given."""
    blank: int = field(init=False, default=0)
    given: int = field(init=False)
    """The number of the last line that was read."""
    ahead: "asyncio.Future[tuple[Batch, bool] | Exception] | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.form is FileFormat.PARQUET:
            content = columnar.rows(self.files, self.parts, self.columns)
        else:
            content = expanded(self.files.blocks(self.parts), self.compression)
        self.given = self.number
        self.rest = lines(content, start=self.position)
        self.plain = reader(self.columns, self.form)
        self.header_due = self.form is FileFormat.CSV and self.position == 0

    async def take(self) -> tuple["Batch", bool]:
        """Return the next lines, and whether the file ends with them; those after them are read meanwhile.

        Raises:
            FileRefused: the file as a whole cannot be matched.
        """
        loop = asyncio.get_running_loop()
        found = await (self.ahead or loop.run_in_executor(None, self._tried))
        if isinstance(found, Exception):
            raise found
        self.ahead = None if found[1] else loop.run_in_executor(None, self._tried)
        return found

    def _tried(self) -> "tuple[Batch, bool] | Exception":
        try:
            return self.next_slice()
        except Exception as error:  # noqa: BLE001 - raised when it is its turn, or nobody asks any more
            return error

    def next_slice(self) -> tuple["Batch", bool]:
        """Return the next lines, and whether the file ends with them."""
        if self.header_due:
            first = next(self.rest, Line(b"", 0))
            check_header(first, self.columns)
            self.header_due, self.position = False, first.end
        taken = [*self.waiting, *islice(self.rest, SLICE - len(self.waiting))]
        self.waiting = []
        batch = Batch(self.given + 1, self.columns, self.form, taken, [*map(self.plain, taken)])
        costly = 0
        for place, found in enumerate(batch.plain):
            if found is not None:
                self.blank = 0
                continue
            self._bounded(taken[place])
            record = batch.record(place)
            costly += record.claimed is not None and record.claimed.personal_id is None
            if costly >= SLICE_WITHOUT_NUMBERS:
                self.waiting = taken[place + 1 :]
                self.given += place + 1
                return batch.first_of(place + 1), False
        self.given += len(taken)
        if self.given > MOST_LINES:
            raise FileRefused(FileFault.TOO_LARGE)
        return batch, len(taken) < SLICE

    def _bounded(self, line: Line) -> None:
        """Refuse a file of bare line ends."""
        self.blank = 0 if line.content is None or line.content.strip() else self.blank + 1
        if self.blank > MOST_BLANK:
            raise FileRefused(FileFault.UNREADABLE)


@dataclass(slots=True)
class Batch:
    """Lines that follow each other; those that are plain are read as a whole only when something differs."""

    first: int
    """The number of the first one."""
    columns: tuple[MatchColumn, ...]
    form: FileFormat
    lines: list[Line]
    plain: list[Plain | None]
    _records: dict[int, Record] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def record(self, place: int) -> Record:
        """Return the line at a place, from 0."""
        record = self._records.get(place)
        if record is None:
            record = read(self.first + place, self.lines[place], self.columns, self.form)
            self._records[place] = record
        return record

    def first_of(self, number: int) -> "Batch":
        """Return the first lines alone."""
        mine = {place: record for place, record in self._records.items() if place < number}
        return Batch(self.first, self.columns, self.form, self.lines[:number], self.plain[:number], mine)
