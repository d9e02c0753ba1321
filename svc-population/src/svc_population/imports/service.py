"""Use case: load a file of persons, chunk by chunk, with constant memory; what exists already is skipped."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from svc_population.imports import repository
from svc_population.imports.errors import ImportRefused
from svc_population.imports.records import chunks, header_of, lines_of, sift
from svc_population.persons.sealing import NO_KEYS, Keyring

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
                for line, column in await _load_chunk(connection, load, chunk):
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


async def _load_chunk(connection: asyncpg.Connection, load: _Load, chunk: str) -> list[tuple[int, str]]:
    """Load a chunk and return the lines that are not loaded; what is no record at all costs only itself."""
    try:
        rejected = await _put(connection, load, chunk, odd=0)
    except ImportRefused:
        sifted = sift(chunk, load.header)
        if sifted.text == chunk:
            raise
        rejected = await _put(connection, load, sifted.text, odd=len(sifted.odd))
        return sorted([*sifted.odd, *((sifted.lines[n - 1], column) for n, column in rejected)])
    return [*lines_of(rejected, chunk)]


async def _put(connection: asyncpg.Connection, load: _Load, chunk: str, *, odd: int) -> list[tuple[int, str]]:
    return await repository.load_chunk(
        connection, load.import_id, load.source, load.header, chunk.encode(), keys=load.keys, odd=odd
    )


def _with(rest: str, given: Iterator[str]) -> Iterator[str]:
    if rest:
        yield rest
    yield from given
