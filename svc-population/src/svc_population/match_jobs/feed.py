"""The rest of a job's file as slices of records: from where the job stands to the end of the file."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from svc_population.match_jobs import columnar
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.lines import Record, check_header, read
from svc_population.match_jobs.plain import Stated, reader
from svc_population.match_jobs.reading import (
    Content,
    FileRefused,
    Lines,
    TooLong,
    end_of,
    expanded,
)
from svc_population.match_jobs.vocabulary import Compression, FileFault, FileFormat, MatchColumn

SLICE = 10_000
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
    """The number of the last line that was given."""
    rest: Lines = field(init=False)
    header_due: bool = field(init=False)
    plain: Callable[[Sequence[Content]], Stated] = field(init=False)
    blank: int = field(init=False, default=0)
    ahead: "asyncio.Future[tuple[Batch, bool] | Exception] | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.form is FileFormat.PARQUET:
            content = columnar.rows(self.files, self.parts, self.columns)
        else:
            content = expanded(self.files.blocks(self.parts), self.compression)
        self.rest = Lines(content, start=self.position)
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
            check_header(next(iter(self.rest.take(1)), b""), self.columns)
            self.header_due = False
        begin = self.rest.place
        taken = self.rest.take(SLICE)
        batch = Batch(
            self.number + 1, self.columns, self.form, taken, self.plain(taken), begin, self.rest.place
        )
        if whole := self._fitting(batch):
            batch, taken = batch.first_of(whole), taken[whole:]
            self.rest.give_back(taken, batch.end)
        self.number += len(batch)
        if self.number > MOST_LINES:
            raise FileRefused(FileFault.TOO_LARGE)
        return batch, not self.rest.more()

    def _fitting(self, batch: "Batch") -> int:
        """Return how many lines there may be at most, 0 for all; refuse a file of bare line ends."""
        costly, before = 0, -1
        for place in batch.odd:
            line = batch.lines[place]
            if place > before + 1:
                self.blank = 0
            before = place
            self.blank = 0 if isinstance(line, TooLong) or line.strip() else self.blank + 1
            if self.blank > MOST_BLANK:
                raise FileRefused(FileFault.UNREADABLE)
            claimed = batch.record(place).claimed
            costly += claimed is not None and claimed.personal_id is None
            if costly >= SLICE_WITHOUT_NUMBERS:
                return place + 1
        if before + 1 < len(batch):
            self.blank = 0
        return 0


@dataclass(slots=True)
class Batch:
    """Lines that follow each other; those that are plain are read as a whole only when something differs."""

    first: int
    """The number of the first one."""
    columns: tuple[MatchColumn, ...]
    form: FileFormat
    lines: list[Content]
    stated: Stated
    begin: int
    end: int
    """Where they begin in the uncompressed file, and where they end."""
    _records: dict[int, Record] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def odd(self) -> list[int]:
        """The places, from 0, of lines that are not plain."""
        numbers = self.stated.number
        return [place for place, number in enumerate(numbers) if not number] if "" in numbers else []

    def record(self, place: int) -> Record:
        """Return the line at a place."""
        record = self._records.get(place)
        if record is None:
            record = read(self.first + place, self.lines[place], self.columns, self.form)
            self._records[place] = record
        return record

    def first_of(self, number: int) -> "Batch":
        """Return the first lines alone."""
        lines = self.lines[:number]
        mine = {place: record for place, record in self._records.items() if place < number}
        end = end_of(lines, self.begin, most=self.end)
        return Batch(
            self.first, self.columns, self.form, lines, self.stated.first_of(number), self.begin, end, mine
        )
