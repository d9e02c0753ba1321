"""`import`: the population service's bulk load; the ceiling is `COPY` of the same rows into the same table.

Both write into the service's own tables with all their keys, in a database of their own. The load checks
every line, skips who is there, writes relationships and an import's record besides; `COPY` does not.

`change-file`: a daily change file of these people, a change each. The ceiling writes the same values by one
`UPDATE` for a hundred people, committed: no rules, history, events or audit entries.
"""

import asyncio
import contextlib
import csv
import os
import time
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from harness import CannotMeasure, Result, Round, result
from ndx_chassis.db import make_engine, make_sessions
from ndx_chassis.telemetry import configure_logging
from ndx_demo.population.rows import lines
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from svc_population.imports.changing import apply_changes
from svc_population.imports.layout import PERSON_COLUMNS
from svc_population.imports.service import load_persons
from svc_population.settings import Settings
from system import System, migrated_copy

ROUNDS, PEOPLE, CHANGES = 3, int(os.environ.get("NDX_BENCH_PEOPLE", "500000")), 3_000
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


async def _changes(connection: asyncpg.Connection, file: Path, salt: int) -> list[str]:
    """Write a change file about some people; return their numbers."""
    found = await connection.fetch(
        "SELECT personal_id FROM persons WHERE life_status = 'ALIVE'"
        " ORDER BY hashtext(personal_id || $1::text) LIMIT $2",
        str(salt),
        CHANGES,
    )
    document = {"kind": "list", "number": "L-1", "issued_by": "CA", "issued_on": "2026-11-02"}
    kinds: tuple[dict[str, Any], ...] = (
        {"contact": {"phone": f"09{salt:08d}"}},
        {"religion": f"{salt}"},
        {"other_name": f"An {salt}"},
    )
    numbers = [row["personal_id"] for row in found]
    with file.open("wb") as to:
        for place, number in enumerate(numbers):
            change = {
                "personal_id": number,
                "kind": "CHANGE",
                "effective_from": "2026-11-02",
                "document": document,
                "changes": kinds[place % 3],
            }
            to.write(orjson.dumps(change) + b"\n")
    return numbers


async def _changed(dsn: str, connection: asyncpg.Connection, folder: Path) -> list[Round]:
    engine = make_engine(Settings(database_url=dsn))
    sessions = make_sessions(engine)
    with (folder / "changes.log").open("w", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        # A line for each change, written as a service does: its cost is in the figure.
        configure_logging("population", "INFO")
        rounds = [await _round(sessions, connection, folder / "changes.ndjson", n) for n in range(ROUNDS)]
    await engine.dispose()
    return rounds


async def _round(
    sessions: async_sessionmaker[AsyncSession], connection: asyncpg.Connection, file: Path, salt: int
) -> Round:
    numbers = await _changes(connection, file, salt)
    started = time.perf_counter()
    for at in range(0, len(numbers), 100):
        some = numbers[at : at + 100]
        await connection.execute(
            "UPDATE persons p SET other_name = g.name FROM unnest($1::text[], $2::text[])"
            " AS g (number, name) WHERE p.personal_id = g.number",
            some,
            [f"Bình {salt}"] * len(some),
        )
    top = time.perf_counter() - started
    cpu, started = time.process_time(), time.perf_counter()
    done = await apply_changes(sessions, file, agency="G01")
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    if done.applied != CHANGES:
        raise CannotMeasure(f"{done.applied:,} of {CHANGES:,} changes were applied")
    return Round(CHANGES / took, ceiling=CHANGES / top, cpu_us={"python": cpu / CHANGES * 1e6})


async def _measure(dsn: str, given: Path, ready: Path) -> tuple[list[Round], list[Round]]:
    connection = await asyncpg.connect(dsn)
    rounds = []
    try:
        for _ in range(ROUNDS):
            top = await _copied(connection, ready)
            took = await _loaded(connection, dsn, given)
            rounds.append(Round(PEOPLE / took, ceiling=PEOPLE / top))
        changed = await _changed(dsn, connection, given.parent)
    finally:
        await connection.close()
    return rounds, changed


def measure(system: System) -> list[Result]:
    dsn = migrated_copy(system.stack, "population", "svc_population", "bench_import")
    given, ready = _files(system.stack.paths.home)
    rounds, changed = asyncio.run(_measure(dsn, given, ready))
    words = (
        f"{PEOPLE:,} persons with relationships, every line checked; two chunks at a time, durable PostgreSQL"
    )
    one_each = f"{CHANGES:,} changes of as many of {PEOPLE:,} persons, a hundred in a transaction"
    return [
        result("import", "persons/s", rounds, words, ceiling="COPY of the same rows, the same table"),
        result("change-file", "changes/s", changed, one_each, ceiling="bare UPDATE, a hundred people each"),
    ]
