"""Use case: load a file of persons, chunk by chunk, with constant memory; what exists already is skipped."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from svc_population.imports import repository
from svc_population.imports.errors import ImportRefused
from svc_population.imports.layout import COLUMNS, REQUIRED

CHUNK_CHARACTERS = 8_000_000


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
    """Gather lines into chunks of whole records; a quoted field may hold line breaks."""
    gathered: list[str] = []
    size = quotes = 0
    for text in texts:
        gathered.append(text)
        size += len(text)
        quotes += text.count('"')
        if size >= CHUNK_CHARACTERS and quotes % 2 == 0 and text.endswith("\n"):
            yield "".join(gathered)
            gathered, size, quotes = [], 0, 0
    if gathered:
        yield "".join(gathered)


async def load_persons(
    database_url: str,
    texts: Iterable[str],
    *,
    source: str,
    report: Callable[[int], None] = lambda _: None,
) -> Loaded:
    """Load lines, the header first; each chunk commits by itself, so a failed load is simply repeated.

    Raises:
        ImportRefused: the header or a line has another form; chunks before it stay.
    """
    given = iter(texts)
    first = next(given, "")
    head, _, rest = first.partition("\n")
    header = header_of(head)
    connection = await asyncpg.connect(database_url)
    try:
        import_id = await repository.open_import(connection, source)
        try:
            done = 0
            for chunk in chunks(_with(rest, given)):
                await repository.load_chunk(connection, import_id, source, header, chunk.encode())
                done += chunk.count("\n")
                report(done)
        except BaseException:
            with suppress(asyncpg.PostgresError, OSError):
                await repository.close_import(connection, import_id, "FAILED")
            raise
        row = await repository.close_import(connection, import_id, "FINISHED")
        await repository.refresh_statistics(connection)
    finally:
        await connection.close()
    return Loaded(**dict(row))


def _with(rest: str, given: Iterator[str]) -> Iterator[str]:
    if rest:
        yield rest
    yield from given
