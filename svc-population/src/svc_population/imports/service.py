"""Use case: load a file of persons, chunk by chunk, with constant memory; what exists already is skipped."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import asyncpg

from svc_population.imports import circles, repository, runs
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
    takes_up: UUID | None
    """The load of the same file that ended before this one."""


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
    pieces = chunks(_with(rest, given))
    begin = next(pieces, "")
    fingerprint = hashlib.sha256(f"{','.join(header)}\n{begin}".encode()).hexdigest()
    connection = await asyncpg.connect(database_url)
    try:
        import_id = await runs.open_import(connection, source, fingerprint)
        load = _Load(database_url, import_id, source, header, keys, reject)
        try:
            await _load_chunks(load, chain([begin] if begin else [], pieces), report)
        except BaseException:
            with suppress(asyncpg.PostgresError, OSError):
                await runs.close_import(connection, import_id, "FAILED")
            raise
        row = await runs.close_import(connection, import_id, "FINISHED")
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
    """Load chunks side by side, then what they have set aside; the first that fails ends the load."""
    connections: list[asyncpg.Connection] = []
    try:
        for _ in range(LOADERS):
            connections.append(await asyncpg.connect(load.database_url))
            await repository.prepare_connection(connections[-1])
        await _side_by_side(load, connections, texts, report)
        await _load_set_aside(load, connections)
    finally:
        for connection in connections:
            await connection.close()


async def _side_by_side(
    load: _Load,
    connections: Sequence[asyncpg.Connection],
    texts: Iterator[str],
    report: Callable[[int], None],
) -> None:
    waiting: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(maxsize=1)
    done = 0

    async def loader(connection: asyncpg.Connection) -> None:
        nonlocal done
        while (given := await waiting.get()) is not None:
            before, chunk = given
            for line, column in await _load_chunk(connection, load, chunk, before):
                load.reject(line, column)
            done += chunk.count("\n")
            report(done)

    async def feeder() -> None:
        before = 1
        for chunk in texts:
            await waiting.put((before, chunk))
            before += chunk.count("\n")
        for _ in connections:
            await waiting.put(None)

    try:
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(loader(connection))
            tasks.create_task(feeder())
    except* Exception as group:  # noqa: BLE001 - one reason is told, as if chunks came one by one
        raise group.exceptions[0] from None


async def _load_set_aside(load: _Load, connections: Sequence[asyncpg.Connection]) -> None:
    """Load what may close a circle of parents, now that everybody else is there, by one connection."""
    first, *others = connections
    await circles.gather(first, others)
    while (settled := await repository.load_set_aside(first, load.import_id, load.source)) is not None:
        for line, column in settled.rejected:
            load.reject(line, column)


async def _load_chunk(
    connection: asyncpg.Connection, load: _Load, chunk: str, before: int
) -> list[tuple[int, str]]:
    """Load a chunk and return the lines that are not loaded; what is no record at all costs only itself."""
    try:
        settled = await _put(connection, load, chunk, odd=0)
    except ImportRefused:
        sifted = sift(chunk, load.header)
        if sifted.text == chunk:
            raise
        settled = await _put(connection, load, sifted.text, odd=len(sifted.odd))
        odd, lines = sifted.odd, dict(enumerate(sifted.lines, 1))
    else:
        odd, lines = [], lines_of([*(n for n, _ in settled.rejected), *settled.set_aside], chunk)
    if settled.set_aside:
        await circles.note_lines(connection, {n: before + lines[n] for n in settled.set_aside})
    rejected = sorted([*odd, *((lines[n], column) for n, column in settled.rejected)])
    return [(before + line, column) for line, column in rejected]


async def _put(connection: asyncpg.Connection, load: _Load, chunk: str, *, odd: int) -> repository.Settled:
    return await repository.load_chunk(
        connection, load.import_id, load.source, load.header, chunk.encode(), keys=load.keys, odd=odd
    )


def _with(rest: str, given: Iterator[str]) -> Iterator[str]:
    if rest:
        yield rest
    yield from given
