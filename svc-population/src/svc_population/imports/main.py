"""Command `python -m svc_population.imports.main FILE|- [REJECTED]`: load a file of persons.

With `--runs` instead of a file: list the latest loads as CSV, with how far each one got.
"""

import asyncio
import csv
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import asyncpg

from svc_population.imports import runs
from svc_population.imports.errors import ImportRefused
from svc_population.imports.records import MOST_CHARACTERS_OF_A_RECORD
from svc_population.imports.service import Loaded, load_persons
from svc_population.persons.errors import SensitiveKeyMissing
from svc_population.persons.sealing import Keyring
from svc_population.settings import Settings

MOST_LISTED = 100


def main(arguments: list[str]) -> int:
    """Load the named file, or standard input for `-`; write down which lines were not loaded, and why."""
    if len(arguments) not in {1, 2}:
        sys.stderr.write("usage: python -m svc_population.imports.main FILE|- [REJECTED], or --runs\n")
        return 2
    name = arguments[0]
    if name == "--runs":
        return _list_runs()
    rejected = Path(
        arguments[1] if len(arguments) > 1 else f"{'input' if name == '-' else name}.rejected.csv"
    )
    try:
        with ExitStack() as open_now:
            told = open_now.enter_context(rejected.open("w", encoding="utf-8"))
            told.write("line,column\n")

            def reject(line: int, column: str) -> None:
                told.write(f"{line},{column}\n")

            # The same bytes are the same persons, whatever the locale makes of standard input.
            given: int | str = sys.stdin.fileno() if name == "-" else name
            file = open_now.enter_context(open(given, encoding="utf-8", newline="", closefd=name != "-"))
            loaded = _load(_pieces(file), "standard input" if name == "-" else Path(name).name, reject)
    except UnicodeDecodeError as error:
        sys.stderr.write(f"population: the file is not UTF-8, from byte {error.start + 1} of a piece on\n")
        return 1
    except (ImportRefused, SensitiveKeyMissing, OSError) as error:
        sys.stderr.write(f"population: {error}\n")
        return 1
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Its own words may quote a row.
        sys.stderr.write(f"population: the database ended the load ({type(error).__name__}): run it again\n")
        return 1
    sys.stdout.write(f"population: {loaded}\n")
    if loaded.rejected:
        sys.stdout.write(f"population: {loaded.rejected} lines were not loaded, see {rejected}\n")
    return 0


def _list_runs() -> int:
    try:
        sys.stdout.write(asyncio.run(_runs()))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.stderr.write(f"population: the loads cannot be listed ({type(error).__name__})\n")
        return 1
    return 0


async def _runs() -> str:
    connection = await asyncpg.connect(Settings().asyncpg_dsn)
    try:
        rows = await runs.latest(connection, MOST_LISTED)
    finally:
        await connection.close()
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(runs.COLUMNS)
    writer.writerows(row.values() for row in rows)
    return written.getvalue()


def _pieces(file: TextIO) -> Iterator[str]:
    """Yield lines, and a line that has no end in pieces."""
    while piece := file.readline(MOST_CHARACTERS_OF_A_RECORD):
        yield piece


def _load(texts: Iterator[str], source: str, reject: Callable[[int, str], None]) -> Loaded:
    settings = Settings()
    keys = Keyring.of_file(settings.sensitive_key_file)
    load = load_persons(settings.asyncpg_dsn, texts, source=f"import:{source}", keys=keys, reject=reject)
    return asyncio.run(load)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
