"""Use case: load a file of persons, chunk by chunk, with constant memory; what exists already is skipped."""

import asyncio
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from svc_population.imports import repository
from svc_population.imports.errors import ImportRefused
from svc_population.imports.layout import COLUMNS, REQUIRED
from svc_population.persons.sealing import NO_KEYS, Keyring

CHUNK_CHARACTERS = 8_000_000
LOADERS = 2
"""Chunks that are loaded at the same time, each by a connection of its own; memory holds one more."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the lines; `wrong_structure` persons are loaded all the same."""

    lines: int
    inserted: int
    existing: int
    rejected: int
    wrong_structure: int


def header_of(line: str) -> tuple[str, ...]:
    """Read the header row.

    Raises:
        ImportRefused: an unknown or repeated column, or a required one is missing.
    """
    found = tuple(line.strip("\ufeff\r\n").split(","))
    unknown, missing = sorted(set(found) - set(COLUMNS)), sorted(REQUIRED - set(found))
    if unknown or missing or len(found) != len(set(found)):
        raise ImportRefused(f"header: unknown {unknown}, missing {missing}, each column once")
    return found


def chunks(texts: Iterable[str]) -> Iterator[str]:
    """Gather lines into chunks of whole records; a quoted field may hold line breaks.

    Raises:
        ImportRefused: the last record has no end.
    """
    gathered: list[str] = []
    size = quotes = 0
    for text in texts:
        gathered.append(text)
        size += len(text)
        quotes += text.count('"')
        if size >= CHUNK_CHARACTERS and quotes % 2 == 0 and text.endswith("\n"):
            yield "".join(gathered)
            gathered, size, quotes = [], 0, 0
    if not gathered:
        return
    if quotes % 2 or not gathered[-1].endswith("\n"):
        raise ImportRefused("the file was cut: its last line has no end")
    yield "".join(gathered)


async def load_persons(
    database_url: str,
    texts: Iterable[str],
    *,
    source: str,
    keys: Keyring = NO_KEYS,
    report: Callable[[int], None] = lambda _: None,
    reject: Callable[[int, str], None] = lambda _line, _column: None,
) -> Loaded:
    """Load lines, the header first; each chunk commits by itself, so a failed load is simply repeated.

    `reject` is told of each line that is not loaded and the column that keeps it out, never of a value; the
    header is line 1, and a record of several lines has the number of its last one.

    Raises:
        ImportRefused: the header or a line has another form; chunks that were loaded before stay.
    """
    given = iter(texts)
    first = next(given, "")
    head, _, rest = first.partition("\n")
    header = header_of(head)
    connection = await asyncpg.connect(database_url)
    try:
        import_id = await repository.open_import(connection, source)
        load = _Load(database_url, import_id, source, header, keys, reject)
        try:
            await _load_chunks(load, chunks(_with(rest, given)), report)
        except BaseException:
            with suppress(asyncpg.PostgresError, OSError):
                await repository.close_import(connection, import_id, "FAILED")
            raise
        row = await repository.close_import(connection, import_id, "FINISHED")
        await repository.refresh_statistics(connection)
    finally:
        await connection.close()
    return Loaded(**dict(row))


@dataclass(frozen=True, slots=True)
class _Load:
    """What all chunks of one load share."""

    database_url: str
    import_id: UUID
    source: str
    header: tuple[str, ...]
    keys: Keyring
    reject: Callable[[int, str], None]


async def _load_chunks(load: _Load, texts: Iterator[str], report: Callable[[int], None]) -> None:
    """Load chunks side by side; the first that fails ends the load."""
    waiting: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(maxsize=1)
    done = 0

    async def loader() -> None:
        nonlocal done
        connection = await asyncpg.connect(load.database_url)
        try:
            await repository.prepare_connection(connection)
            while (given := await waiting.get()) is not None:
                before, chunk = given
                rejected = await repository.load_chunk(
                    connection, load.import_id, load.source, load.header, chunk.encode(), keys=load.keys
                )
                for line, column in _lines_of(rejected, chunk):
                    load.reject(before + line, column)
                done += chunk.count("\n")
                report(done)
        finally:
            await connection.close()

    async def feeder() -> None:
        before = 1
        for chunk in texts:
            await waiting.put((before, chunk))
            before += chunk.count("\n")
        for _ in range(LOADERS):
            await waiting.put(None)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(LOADERS):
                tasks.create_task(loader())
            tasks.create_task(feeder())
    except* Exception as group:  # noqa: BLE001 - one reason is told, as if chunks came one by one
        raise group.exceptions[0] from None


def _lines_of(rejected: Sequence[tuple[int, str]], chunk: str) -> Iterator[tuple[int, str]]:
    """Turn numbers of records into numbers of lines: a quoted value may hold line breaks."""
    columns = dict(rejected)
    if columns:
        reader = csv.reader(io.StringIO(chunk, newline=""))
        for number, _ in enumerate(reader, 1):
            if number in columns:
                yield reader.line_num, columns[number]


def _with(rest: str, given: Iterator[str]) -> Iterator[str]:
    if rest:
        yield rest
    yield from given
