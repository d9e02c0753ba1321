"""`lookup`: one person with ten fields and a durable record, through the service; pgbench is the ceiling.

Both sides read the same people, at most 100,000, in random order and leave the same record, in turns of a
few seconds.
"""

import asyncio
import re
import resource
import time
from pathlib import Path
from uuid import uuid4

from harness import CannotMeasure, Load, Result, Round, request, result, server_cpu
from system import System

ROUNDS, SECONDS = 3, 6.0
MOST = 100_000
"""Of more people so many are asked for, drawn from all of them."""
CONNECTIONS = (32, 64)
FIELDS = "birth_name,birth_date,sex,personal_id,permanent_residence"
COLUMNS = (
    "p.surname, p.middle_name, p.given_name, p.birth_date, p.sex, p.personal_id, p.permanent_province_code,"
    " p.permanent_commune_code, p.permanent_address, p.version"
)
TARGETS = "bench_targets"
SYSTEM = "G03/insurance-link"


def paths(numbers: list[str]) -> list[str]:
    return [f"/population/v1/persons/{number}?fields={FIELDS}" for number in numbers]


def direct_requests(system: System, numbers: list[str]) -> list[bytes]:
    """Return the reads as the gateway would hand them on: one of ten is traced."""
    agreement = next(a for a in system.agreements["G03"])
    found = []
    for n, path in enumerate(paths(numbers)):
        sampled = "01" if n % 10 == 0 else "00"
        headers = {
            "NDX-Purpose": "SOCIAL_INSURANCE",
            "NDX-Agency": "G03",
            "NDX-System": "insurance-link",
            "NDX-Agreement": agreement,
            "NDX-Request-Id": str(uuid4()),
            "traceparent": f"00-{uuid4().hex}-{uuid4().hex[:16]}-{sampled}",
        }
        found.append(request("GET", path, headers))
    return found


def direct_load(system: System) -> Load:
    numbers = asyncio.run(system.personal_ids(MOST))
    return system.to_service("population", direct_requests(system, numbers), "population", "postgres")


class PgBench:
    """The same read and record as one prepared statement per transaction."""

    def __init__(self, system: System) -> None:
        self.system = system
        # pgbench draws a number, so a small table turns it into a person: about 3 µs of the ceiling's time.
        asyncio.run(self._targets())
        self.count = asyncio.run(system.rows("population", f"SELECT max(n) AS n FROM {TARGETS}"))[0]["n"]
        self.script: Path = system.stack.paths.home / "lookup.sql"
        self.script.write_text(
            f"\\set n random(1, {self.count})\n"
            f"WITH p AS (SELECT {COLUMNS} FROM {TARGETS} t JOIN persons p USING (personal_id)"
            " WHERE t.n = :n), d AS (INSERT INTO disclosures (id, agency, system, purpose, agreement,"
            " agreement_version, operation, subjects, field_groups, outcome, request_id)"
            " SELECT uuidv7(), 'G03', 'insurance-link', 'SOCIAL_INSURANCE', 'DSA-G03-1', 1,"
            f" 'population.get_person', ARRAY[p.personal_id], string_to_array('{FIELDS}', ','),"
            " 'DISCLOSED', '01900000-0000-7000-8000-000000000000' FROM p) SELECT * FROM p;\n"
        )

    async def _targets(self) -> None:
        numbers = await self.system.personal_ids(MOST)
        await self.system.rows(
            "population",
            f"CREATE TABLE IF NOT EXISTS {TARGETS} (n int PRIMARY KEY, personal_id text)",
        )
        await self.system.rows(
            "population",
            f"INSERT INTO {TARGETS} SELECT n, personal_id FROM unnest($1::text[]) WITH ORDINALITY"
            " AS t (personal_id, n) ON CONFLICT DO NOTHING",
            numbers,
        )
        await self.system.rows("population", f"ANALYZE {TARGETS}")

    def run(self, clients: int) -> tuple[float, dict[str, float]]:
        """Return transactions per second, and the CPU time of each by part."""
        before, own = self._cpu(), resource.getrusage(resource.RUSAGE_CHILDREN)
        told = self.system.run_sql_tool(
            "pgbench",
            "population",
            *("-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(int(SECONDS))),
            *("-f", str(self.script)),
        )
        found = re.search(r"tps = ([0-9.]+)", told)
        if found is None:
            raise CannotMeasure(f"pgbench told no figure: {told[-400:]}")
        after, spent = self._cpu(), resource.getrusage(resource.RUSAGE_CHILDREN)
        count = int(re.search(r"actually processed: (\d+)", told).group(1))  # type: ignore[union-attr]
        client = spent.ru_utime + spent.ru_stime - own.ru_utime - own.ru_stime
        return float(found.group(1)), {
            "postgres": (after - before) / count * 1e6,
            "pgbench": client / count * 1e6,
        }

    def _cpu(self) -> float:
        """Return the CPU seconds of PostgreSQL's ended and running children; sessions end with pgbench."""
        time.sleep(0.3)
        return server_cpu(self.system.pids("postgres")[0])


def measure(system: System, *, name: str = "lookup") -> list[Result]:
    load, ceiling = direct_load(system), PgBench(system)
    load.run(connections=CONNECTIONS[-1], seconds=3)
    rounds: dict[int, list[Round]] = {n: [] for n in CONNECTIONS}
    for _ in range(ROUNDS):
        for connections in CONNECTIONS:
            top, spent = ceiling.run(connections)
            made, _ = load.run(connections=connections, seconds=SECONDS)
            made.ceiling, made.ceiling_cpu_us = top, spent
            rounds[connections].append(made)
    return [
        result(
            name if connections == CONNECTIONS[-1] else f"{name}-{connections}",
            "reads/s",
            found,
            f"one person of {system.people:,} at random ({min(system.people, MOST):,} drawn), ten fields,"
            " a durable record each; mutual TLS to the"
            f" service, {connections} connections, 10 % traced; service, PostgreSQL and generator share the"
            f" cores; the ceiling has as many clients",
            ceiling="pgbench, the same read and record, prepared",
        )
        for connections, found in rounds.items()
    ]
