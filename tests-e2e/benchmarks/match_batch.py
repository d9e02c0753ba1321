"""`match-batch`: a file with numbers through the work of a match job; the ceiling is one SQL join.

Everything that a job does is in it but the upload: reading and cutting the file, reading each line, the
people of a slice, the verdicts, a disclosure record per line, the result's files, the job's own row. One
line of a hundred says another birth date, one of ten has its tone marks elsewhere. The ceiling joins the
same lines, which stand in a table already, with persons and counts who is the same: no records, no
result, one statement.
"""

import asyncio
import hashlib
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from harness import CannotMeasure, Result, Round, result, server_cpu
from ndx_chassis.agreements import AgreementBook
from ndx_chassis.app import Runtime
from ndx_chassis.db import Copies, make_engine, make_sessions
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.ids import new_id
from people import PEOPLE, covered, population
from svc_population.match_jobs import repository
from svc_population.match_jobs.service import OPERATION, files_of
from svc_population.match_jobs.vocabulary import JobState
from svc_population.match_jobs.working import work
from svc_population.matching.name_folding import canonical_tones
from svc_population.matching.schemas import MATCHED_BY
from svc_population.settings import Settings, settings_of

ROUNDS = 3
LINES = min(PEOPLE, 1_000_000)
_PART = 1_000_000
_HEADER = "ref,personal_id,name,birth_date"
_SOME = (
    "SELECT personal_id, concat_ws(' ', surname, middle_name, given_name) AS name, birth_date FROM persons"
    f" ORDER BY hashtext(personal_id) LIMIT {LINES}"
)
_CEILING = (
    "SELECT count(*) FROM asked a JOIN persons p USING (personal_id) WHERE p.birth_date = a.birth_date"
    " AND upper(coalesce(p.surname || ' ', '') || coalesce(p.middle_name || ' ', '') || p.given_name)"
    " = upper(a.name)"
)


def _lines(rows: list[asyncpg.Record]) -> list[tuple[str, str, str, str]]:
    return [
        (
            f"r{n}",
            row["personal_id"],
            canonical_tones(row["name"]) if n % 10 == 0 else row["name"].upper(),
            str(row["birth_date"] + timedelta(days=n % 100 == 1)),
        )
        for n, row in enumerate(rows)
    ]


async def _announced(runtime: Runtime, content: bytes) -> Any:
    """Put a whole uploaded file into the database and onto the disk, as the door would have."""
    job_id = new_id()
    async with runtime.sessions() as session, session.begin():
        await repository.add_job(
            session,
            {
                "id": job_id,
                "state": JobState.QUEUED.value,
                "agency": "G03",
                "system": "insurance-link",
                "agency_class": "",
                "purpose": "SOCIAL_INSURANCE",
                "agreement": "DSA-G03-1",
                "request_id": str(job_id),
                "signed": False,
                "format": "CSV",
                "compression": "NONE",
                "columns": _HEADER.split(","),
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "expires_at": datetime.now(UTC) + timedelta(days=1),
            },
        )
        files = files_of(settings_of(runtime), job_id)
        for number, start in enumerate(range(0, len(content), _PART), 1):
            piece = content[start : start + _PART]
            files.write(files.part(number), piece)
            await repository.add_part(
                session, {"job_id": job_id, "number": number, "bytes": len(piece), "sha256": str(number)}
            )
    return job_id


async def _measured(url: str, folder: Path) -> list[Round]:
    settings = Settings(
        database_url=url, match_job_folder=folder, verify_wrong_guesses=1_000, match_misses=100_000
    )
    engine = make_engine(settings)
    book = AgreementBook()
    _, grant = covered(OPERATION, list(MATCHED_BY))
    book.put(grant.agreement)
    runtime = Runtime(
        service="population",
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        gateway=GatewayClient(settings),
        agreements=book,
        copies=Copies(settings),
    )
    connection = await asyncpg.connect(url)
    lines = _lines(await connection.fetch(_SOME))
    content = "".join(",".join(line) + "\n" for line in [tuple(_HEADER.split(",")), *lines]).encode()
    await connection.execute("CREATE TABLE asked (ref text, personal_id text, name text, birth_date date)")
    await connection.copy_records_to_table(
        "asked", records=[(*line[:3], datetime.fromisoformat(line[3]).date()) for line in lines]
    )
    await connection.execute("VACUUM (ANALYZE) asked")
    server = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).ppid()
    rounds = []
    try:
        for number in range(ROUNDS + 1):
            started, before = time.perf_counter(), server_cpu(server)
            await connection.fetchval(_CEILING)
            top, join = time.perf_counter() - started, server_cpu(server) - before
            job_id = await _announced(runtime, content)
            before, own = server_cpu(server), time.process_time()
            started = time.perf_counter()
            await work(runtime)
            took = time.perf_counter() - started
            spent = {"python": time.process_time() - own, "postgres": server_cpu(server) - before}
            job = await connection.fetchrow("SELECT * FROM match_jobs WHERE id = $1", job_id)
            if job is None or job["state"] != "FINISHED" or job["matched"] < LINES * 0.98:
                raise CannotMeasure(f"the job did not come out well: {dict(job or {})}")
            if number:  # the first round warms up
                rounds.append(
                    Round(
                        LINES / took,
                        ceiling=LINES / top,
                        cpu_us={part: seconds / LINES * 1e6 for part, seconds in spent.items()},
                        ceiling_cpu_us={"postgres": join / LINES * 1e6},
                    )
                )
    finally:
        await connection.close()
        await runtime.gateway.close()
        await engine.dispose()
    return rounds


def measure() -> list[Result]:
    with population() as url, tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(_measured(url, Path(folder)))
    words = (
        f"{LINES:,} lines with numbers against {PEOPLE:,} persons in 16 partitions, one process;"
        " records of disclosure and result files included"
    )
    return [result("match-batch", "lines/s", rounds, words, ceiling="one SQL join of the same lines")]
