"""`import`: the population service's bulk load; the ceiling is `COPY` of the same rows into the same table.

Both write into the service's own tables with all their keys, in a database of their own. The load checks
every line, skips who is there, writes relationships and an import's record besides; `COPY` does not.
"""

import asyncio
import csv
import time
from pathlib import Path

import asyncpg
from harness import Result, Round, result
from ndx_demo.population.rows import lines
from svc_population.imports.layout import PERSON_COLUMNS
from svc_population.imports.service import load_persons
from system import System, migrated_copy

ROUNDS, PEOPLE = 3, 500_000
_EMPTY = "TRUNCATE persons, relationships, imports"


def _files(folder: Path) -> tuple[Path, Path]:
    """Write the load's file, and the same rows in the form of the table."""
    given, ready = folder / f"persons-{PEOPLE}.csv", folder / f"persons-{PEOPLE}.copy.csv"
    if not given.exists():
        with given.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines(PEOPLE, seed=7))
    with given.open(encoding="utf-8", newline="") as source, ready.open("w", encoding="utf-8") as target:
        columns = [c.name for c in PERSON_COLUMNS]
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*columns, "source"])
        for row in csv.DictReader(source):
            row["nationality"] = row.get("nationality") or "VN"
            row["life_status"] = row.get("life_status") or "ALIVE"
            writer.writerow([*(row.get(c) or None for c in columns), "import:bench"])
    return given, ready


async def _copied(connection: asyncpg.Connection, file: Path) -> float:
    await connection.execute(_EMPTY)
    columns = [*(c.name for c in PERSON_COLUMNS), "source"]
    started = time.perf_counter()
    await connection.copy_to_table("persons", source=file, columns=columns, format="csv", header=True)
    return time.perf_counter() - started


async def _loaded(connection: asyncpg.Connection, dsn: str, file: Path) -> float:
    await connection.execute(_EMPTY)
    started = time.perf_counter()
    with file.open(encoding="utf-8", newline="") as texts:
        loaded = await load_persons(dsn, texts, source="import:bench")
    took = time.perf_counter() - started
    if loaded.inserted != PEOPLE:
        raise ValueError(f"{loaded.inserted:,} of {PEOPLE:,} persons were loaded")
    return took


async def _measure(dsn: str, given: Path, ready: Path) -> list[Round]:
    connection = await asyncpg.connect(dsn)
    rounds = []
    try:
        for _ in range(ROUNDS):
            top = await _copied(connection, ready)
            took = await _loaded(connection, dsn, given)
            rounds.append(Round(PEOPLE / took, ceiling=PEOPLE / top))
    finally:
        await connection.close()
    return rounds


def measure(system: System) -> list[Result]:
    dsn = migrated_copy(system.stack, "population", "svc_population", "bench_import")
    given, ready = _files(system.stack.paths.home)
    rounds = asyncio.run(_measure(dsn, given, ready))
    words = (
        f"{PEOPLE:,} persons with relationships, every line checked; two chunks at a time, durable PostgreSQL"
    )
    return [result("import", "persons/s", rounds, words, ceiling="COPY of the same rows, the same table")]
