"""`allocation`: new numbers with a record of their own, each committed; the ceiling is the records alone.

The allocator of one service process with its usual lease, 32 callers at a time, all for one prefix, which is
the worst case: one counter. The ceiling inserts the same persons under numbers that were made before.
"""

import asyncio
import time
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import asyncpg
from harness import Result, Round, result
from ndx_chassis.db import make_engine, make_sessions
from people import population
from svc_population.imports.layout import REQUIRED
from svc_population.personal_ids.allocator import Allocator
from svc_population.persons import service as persons
from svc_population.settings import Settings

ROUNDS, NUMBERS, CALLERS = 3, 6_000, 32
_PREFIX = "079326"


def _values(number: str) -> dict[str, Any]:
    return {
        "personal_id": number,
        "surname": "Nguyễn",
        "given_name": "An",
        "birth_date": date(2026, 1, 2),
        "sex": "FEMALE",
        "source": "bench",
    }


async def _together(give: Any) -> tuple[float, float]:
    """Let the callers give numbers until all are given; return numbers a second, and Python's CPU µs each."""
    left = iter(range(NUMBERS))

    async def caller() -> None:
        for n in left:
            await give(n)

    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(caller())
    return NUMBERS / (time.perf_counter() - started), (time.process_time() - cpu) / NUMBERS * 1e6


async def _measure(dsn: str, key: Path) -> tuple[list[Round], list[Round]]:
    settings = Settings(database_url=dsn, personal_id_key_file=key)
    engine = make_engine(settings)
    sessions = make_sessions(engine)
    allocator = Allocator(settings.asyncpg_dsn, key_file=key, lease=settings.personal_id_lease)
    admin = await asyncpg.connect(settings.asyncpg_dsn)

    async def opened(number: str) -> None:
        async with sessions() as session, session.begin():
            if await persons.open_record(session, _values(number)) is None:
                raise ValueError("a number was given twice")

    async def allocated(_n: int) -> None:
        await opened(await allocator.next_number(_PREFIX))

    async def numbered(_n: int) -> None:
        await allocator.next_number(_PREFIX)

    async def given(n: int) -> None:
        await opened(f"{_PREFIX}{n:06d}")

    rounds, alone = [], []
    for _ in range(ROUNDS):
        await admin.execute("TRUNCATE persons, personal_id_counters")
        top, top_cpu = await _together(given)
        await admin.execute("TRUNCATE persons")
        value, cpu = await _together(allocated)
        rounds.append(Round(value, ceiling=top, cpu_us={"python": cpu}, ceiling_cpu_us={"python": top_cpu}))
        value, cpu = await _together(numbered)
        alone.append(Round(value, cpu_us={"python": cpu}))
    await admin.close()
    await allocator.close()
    await engine.dispose()
    return rounds, alone


def measure() -> list[Result]:
    with population(iter([",".join(sorted(REQUIRED)) + "\n"])) as dsn, NamedTemporaryFile() as key:
        Path(key.name).write_bytes(b"a key for a benchmark, 32 bytes.")
        rounds, alone = asyncio.run(_measure(dsn, Path(key.name)))
    words = f"{NUMBERS:,} numbers of one prefix, a person and a commit each, {CALLERS} callers, one process"
    only = f"{NUMBERS:,} numbers of one prefix, {CALLERS} callers, one process; counters committed, nobody"
    return [
        result("allocation", "numbers/s", rounds, words, ceiling="the same persons, numbers made before"),
        result("allocation-alone", "numbers/s", alone, only),
    ]
