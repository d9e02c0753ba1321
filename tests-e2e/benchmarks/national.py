"""`make bench-national [N=…]`: builds a population of national size in a stack of its own, and measures it.

The people go from the generator straight into the load, in parts; a run that was ended is started again and
goes on, and one that finds everybody there measures only. `REMOVE=1` takes the stack's folder away.
"""

import argparse
import asyncio
import json
import shutil
import sys
import time
from typing import Any

import asyncpg
import lookup
import scale
import search
from harness import OUT, CannotMeasure, Result, commit, machine, words
from ndx_demo.loading import mark
from ndx_demo.national import Disk, DiskShort, OtherPopulation, kept, load_in_parts
from ndx_demo.population.people import TooFew
from ndx_demo.population.rows import lines
from ndx_local.errors import StackError
from ndx_local.stack import Stack
from report import write_report
from run import results
from svc_population.imports.service import load_persons
from system import SAMPLING, System, beside, drop, migrated_copy

SEED = 1
VACUUM = ("VACUUM (FREEZE, ANALYZE) persons", "VACUUM (FREEZE, ANALYZE) relationships")
"""Frozen at once, so that nobody reads all of it again when transaction ids have moved on."""
PROBE, MILLION = 100_000, 1_000_000
_SIZES = """
    SELECT coalesce(i.relname, t.relname) AS name, count(*) AS parts,
        sum(pg_relation_size(t.oid)) AS bytes
    FROM pg_class t
    LEFT JOIN pg_inherits h ON h.inhrelid = t.oid
    LEFT JOIN pg_class i ON i.oid = h.inhparent
    WHERE t.relkind IN ('r', 'i', 't') AND t.relnamespace = 'public'::regnamespace
    GROUP BY 1 HAVING sum(pg_relation_size(t.oid)) > 1000000 ORDER BY bytes DESC
"""
_UNCOUNTED = """
    SELECT (SELECT count(*) FROM (SELECT FROM population_deltas LIMIT 1000000) AS waiting)
        + (SELECT 1 - count(*) FILTER (WHERE state = 'LIVE') + count(*) FILTER (WHERE state = 'COUNTING')
            FROM quality_generations)
"""
_MOST_SECONDS = 7_200


def _say(line: str) -> None:
    print(line, flush=True)


async def _one(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url, command_timeout=None)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def per_person(stack: Stack) -> float:
    """Load a few people into a database of their own, and return the bytes that one takes; measured once."""
    file = stack.paths.home / "national.json"
    if file.exists():
        return float(json.loads(file.read_text())["bytes_per_person"])
    url = migrated_copy(stack, "population", "svc_population", "population_probe")
    empty = asyncio.run(_one(url, "SELECT pg_database_size(current_database())"))
    log = asyncio.run(_one(url, "SELECT pg_current_wal_lsn() - '0/0'"))
    asyncio.run(load_persons(url, lines(PROBE, seed=SEED), source="import:probe"))
    full = asyncio.run(_one(url, "SELECT pg_database_size(current_database())"))
    written = asyncio.run(_one(url, "SELECT pg_current_wal_lsn() - '0/0'")) - log
    drop(stack, "population_probe")
    told = {"bytes_per_person": (full - empty) / PROBE, "log_bytes_per_person": float(written) / PROBE}
    file.write_text(json.dumps(told))
    _say(
        f"  one person takes {told['bytes_per_person']:,.0f} bytes with indexes and relationships, and"
        f" {told['log_bytes_per_person']:,.0f} of write-ahead log, which is kept to 4 GB ({PROBE:,} measured)"
    )
    return float(told["bytes_per_person"])


def _build(stack: Stack, wanted: int | None) -> int:
    """Load whoever is missing; return how many people there are."""
    url = stack.env("population")["POPULATION_DATABASE_URL"]
    before = asyncio.run(kept(url))
    wanted = wanted or before.people
    home = stack.paths.home
    disk = Disk(home, shutil.disk_usage(home).free, before.loaded, per_person(stack))
    people = wanted if wanted == before.loaded else disk.choose(wanted)
    _say(f"national: {people:,} people, {before.loaded:,} of them there; {disk.free / 1e9:.1f} GB are free")
    began = time.monotonic()
    here = load_in_parts(url, people, seed=SEED, folder=home, report=_every_so_often())
    if here:
        took = time.monotonic() - began
        _say(f"  {here:,} loaded in {took:,.0f} s; vacuum and analyze …")
        asyncio.run(_run(url, *VACUUM))
        _say(f"  vacuumed in {time.monotonic() - began - took:,.0f} s")
        _note_load(people, here, took)
    mark(home, people, SEED)
    return people


def _note_load(people: int, here: int, took: float) -> None:
    told = {"people": people, "loaded": here, "seconds": took, "machine": machine(), "commit": commit()}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "national-load.json").write_text(json.dumps(told, indent=1))


def _every_so_often(seconds: float = 10.0) -> Any:
    last = [0.0]

    def report(line: str) -> None:
        if time.monotonic() - last[0] > seconds or line.endswith("all there"):
            last[0] = time.monotonic()
            _say(line)

    return report


def _sizes(url: str, people: int) -> None:
    async def read() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(_SIZES)
            return rows
        finally:
            await connection.close()

    rows = asyncio.run(read())
    for row in rows:
        _say(f"    {row['name']:45} {row['bytes'] / people:8.1f} bytes a person, {row['parts']} parts")
    told = {row["name"]: float(row["bytes"]) / people for row in rows}
    (OUT / "national-sizes.json").write_text(
        json.dumps({"people": people, "bytes_per_person": told}, indent=1)
    )


def _small(stack: Stack, people: int) -> tuple[str, int]:
    """Return the database that the large one is compared with: a million people, of fewer a tenth."""
    fewer = MILLION if people > MILLION else max(people // 10, 1_000)
    name = f"population_{fewer}"
    url = beside(stack, "population", name)
    try:
        loaded = asyncio.run(kept(url)).loaded
    except asyncpg.InvalidCatalogNameError:
        migrated_copy(stack, "population", "svc_population", name)
        loaded = 0
    if loaded < fewer:
        _say(f"national: {fewer:,} people to compare with")
        load_in_parts(url, fewer, seed=SEED, folder=stack.paths.home, report=_every_so_often())
        asyncio.run(_run(url, *VACUUM))
    return url, fewer


def _settle(url: str) -> None:
    """Wait until the running service has counted whom the load brought, which takes a core meanwhile."""
    began, last = time.monotonic(), 0.0
    while left := asyncio.run(_one(url, _UNCOUNTED)):
        if time.monotonic() - began > _MOST_SECONDS:
            raise CannotMeasure(f"{left:,} counts are still to be made after {_MOST_SECONDS:,} s")
        if time.monotonic() - last > _MOST_SECONDS / 60:
            last = time.monotonic()
            _say(f"national: the service counts the people by unit, age and quality; {left:,} left")
        time.sleep(2)
    _say(f"  counted after {time.monotonic() - began:,.0f} s")


def _measure(stack: Stack, people: int) -> None:
    url = stack.env("population")["POPULATION_DATABASE_URL"]
    small, fewer = _small(stack, people)
    _tell(scale.measure(url, people, small, fewer))
    _tell(search.searches(url, people, name="national-search"))
    stack.up(extra_env={"GATEWAY_TRACE_SAMPLING": str(SAMPLING)})
    _settle(url)
    _tell(lookup.measure(System(stack), name="national-lookup"))


def _tell(made: list[Result]) -> None:
    for one in made:
        _say(f"  {words(one)}")
        for turn in one.rounds:
            if turn.label:
                _say(f"    {turn.label:60} {turn.value:8.1f}")


def _remove(stack: Stack) -> int:
    stack.down()
    shutil.rmtree(stack.paths.home, ignore_errors=True)
    _say(f"national: removed {stack.paths.home}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-national")
    parser.add_argument("--people", type=int, help="how many; what the disk holds unless given (N=)")
    parser.add_argument("--stack", default="national", help="name of the stack")
    parser.add_argument("--remove", action="store_true", help="stop the stack and remove its data (REMOVE=1)")
    parser.add_argument("--load-only", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    stack = Stack.open(arguments.stack)
    if arguments.remove:
        return _remove(stack)
    try:
        stack.up(only=["population-migrations"], extra_env={"GATEWAY_TRACE_SAMPLING": str(SAMPLING)})
        people = _build(stack, arguments.people)
        _sizes(stack.env("population")["POPULATION_DATABASE_URL"], people)
        if not arguments.load_only:
            _measure(stack, people)
    except (DiskShort, OtherPopulation, TooFew, StackError, CannotMeasure) as error:
        _say(f"national: {error}")
        return 1
    except KeyboardInterrupt:
        _say("national: ended; the same command goes on from here")
        return 130
    finally:
        if stack.status():
            stack.down()
    _say(f"report: {write_report(results(), OUT / 'report.html')}")
    _say(f"the data stays in {stack.paths.home}; make bench-national REMOVE=1 removes it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
