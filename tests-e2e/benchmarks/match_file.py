"""`match-file`: a file of an agency from its first byte to the last line of the result, through the gateway.

What `match-batch` leaves out: the upload in parts of 1 MiB, broken off in the middle and taken up again, the
service as it runs, and the result read back as CSV and compared with what was sent. Beside lines per second
it tells the peak memory of the service's process and what the job leaves on the disk until it is erased.

`make bench B=match-file N=20000000` takes twenty million lines; 200,000 unless set. The people are those of
the stack (`NDX_BENCH_PEOPLE`, 100,000 unless set), asked again and again until the file has its lines; one of
a hundred has another birth date the first time, one of ten lines has its tone marks elsewhere.
"""

import asyncio
import base64
import csv
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from harness import OUT, CannotMeasure, Result, Round, result
from ndx_demo.door import Door
from svc_population.matching.name_folding import canonical_tones
from system import System

LINES = int(os.environ.get("NDX_BENCH_LINES", "200000"))
_CALLER, _PURPOSE, _JOBS = "G03/insurance-link", "SOCIAL_INSURANCE", "/population/v1/match-jobs"
_COLUMNS = ("ref", "personal_id", "name", "birth_date")
_PART = 1024 * 1024
_STUCK_SECONDS = 600
_PEOPLE = (
    "SELECT personal_id, concat_ws(' ', surname, middle_name, given_name), birth_date FROM persons"
    " WHERE life_status = 'ALIVE' ORDER BY hashtext(personal_id) LIMIT {}"
)
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _File:
    """The file as it is announced."""

    path: Path
    bytes: int
    sha256: str


async def _people(url: str, to: Path) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.copy_from_query(_PEOPLE.format(LINES), output=to, format="csv")
    finally:
        await connection.close()


def _rows(people: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield the lines of the file."""
    n = 0
    for again in range(LINES):
        before = n
        with people.open(encoding="utf-8", newline="") as source:
            for personal_id, name, born in csv.reader(source):
                if n == LINES:
                    return
                wrong = not again and n % 100 == 1
                day = str(datetime.fromisoformat(born).date() + timedelta(days=1)) if wrong else born
                yield f"r{n}", personal_id, canonical_tones(name) if n % 10 == 0 else name.upper(), day
                n += 1
        if n == before:
            raise CannotMeasure("the stack holds nobody")


def _written(url: str, folder: Path) -> _File:
    asyncio.run(_people(url, folder / "people.csv"))
    path = folder / "asked.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(_rows(folder / "people.csv"))
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return _File(path, path.stat().st_size, digest)


class _Job:
    """A match job of one agency, over one way through the gateway."""

    def __init__(self, door: Door, job: dict[str, Any]) -> None:
        self.door = door
        self.path = f"{_JOBS}/{job['id']}"

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = _good(self.door.get(self.path, purpose=_PURPOSE)).json()
        return found

    def upload(self, file: _File, *, first: int, last: int) -> None:
        with file.path.open("rb") as content:
            content.seek((first - 1) * _PART)
            for number in range(first, last + 1):
                piece = content.read(_PART)
                digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
                headers = {"Content-Digest": f"sha-256=:{digest}:", "NDX-Purpose": _PURPOSE}
                _good(self.door.request("PUT", f"{self.path}/parts/{number}", content=piece, headers=headers))

    def finished(self) -> dict[str, Any]:
        """Wait for the end, telling how far it is."""
        told = moved = time.monotonic()
        lines = -1
        while (job := self.shown())["state"] != "FINISHED":
            now = time.monotonic()
            if job["counts"]["lines"] != lines:
                lines, moved = job["counts"]["lines"], now
            if job["state"] not in {"QUEUED", "RUNNING"} or now - moved > _STUCK_SECONDS:
                raise CannotMeasure(f"the job is {job['state']} ({job['fault'] or job['waiting_for']})")
            if now - told > 30:
                told = now
                print(f"    {lines:,} lines", flush=True)
            time.sleep(1)
        return job

    def read_back(self, parts: int) -> tuple[dict[str, int], int]:
        """Return how many lines have which outcome, and the bytes of the result; each line stands once."""
        outcomes: dict[str, int] = {}
        size = n = 0
        header: list[str] = []
        for number in range(1, parts + 1):
            reply = _good(self.door.get(f"{self.path}/result/{number}", purpose=_PURPOSE))
            size += len(reply.content)
            for row in csv.reader(reply.text.splitlines()):
                if not header:
                    header = row
                    continue
                line = dict(zip(header, row, strict=True))
                if line["ref"] != f"r{n}":
                    raise CannotMeasure(f"line {n} of the result is about {line['ref']}")
                outcomes[line["outcome"]] = outcomes.get(line["outcome"], 0) + 1
                n += 1
        return outcomes, size


def _good(reply: Any) -> Any:
    if not reply.is_success:
        raise CannotMeasure(f"{reply.request.method} was answered {reply.status_code}: {reply.text[:200]}")
    return reply


class _Service:
    """The service's process and its children: how much memory they took at most."""

    def __init__(self, pid: int) -> None:
        own = psutil.Process(pid)
        self._pids = [own.pid, *(child.pid for child in own.children(recursive=True))]

    def forget_peaks(self) -> None:
        for pid in self._pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def peak(self) -> float:
        """Return the peak resident memory in MiB since peaks were forgotten."""
        kib = 0
        for pid in self._pids:
            lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
            kib += int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
        return kib / 1024


def _on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measure(system: System) -> list[Result]:
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        file = _written(system.url("population"), Path(folder))
        return [_measured(system, file)]


def _measured(system: System, file: _File) -> Result:
    service = _Service(system.pids("population")[0])
    kept = Path(system.stack.env("population")["POPULATION_MATCH_JOB_FOLDER"])
    before, files_before = _database_size(system), _on_disk(kept)
    service.forget_peaks()
    idle = service.peak()
    parts = -(-file.bytes // _PART)
    announced = {
        "format": "CSV",
        "columns": _COLUMNS,
        "bytes": file.bytes,
        "sha256": file.sha256,
    }
    began = time.perf_counter()
    with _door(system) as door:
        job = _Job(door, _good(door.post(_JOBS, announced, purpose=_PURPOSE)).json())
        job.upload(file, first=1, last=parts // 2)
    # The connection is gone; what has arrived is asked for, and the last part comes twice.
    with _door(system) as door:
        job.door = door
        there = job.shown()["parts"]
        job.upload(file, first=max(there, 1), last=parts)
        uploaded = time.perf_counter() - began
        start = datetime.now(UTC)
        _good(door.post(f"{job.path}/start", None, purpose=_PURPOSE))
        done = job.finished()
        took = (datetime.fromisoformat(done["ended_at"]) - start).total_seconds()
        began = time.perf_counter()
        outcomes, size = job.read_back(done["result_parts"])
        read = time.perf_counter() - began
    counted = {name.upper(): n for name, n in done["counts"].items() if name != "lines" and n}
    if outcomes != counted or sum(outcomes.values()) != LINES or outcomes.get("MATCHED", 0) < LINES * 0.95:
        raise CannotMeasure(f"{LINES:,} lines were sent; the job says {counted}, the result {outcomes}")
    peak, grown = service.peak(), _database_size(system) - before
    left = _on_disk(kept) - files_before
    told = {
        "lines/s matched": LINES / took,
        "lines/s of all, upload and result included": LINES / (uploaded + took + read),
        "MiB/s uploaded": file.bytes / _MIB / uploaded,
        "MiB/s of the result read": size / _MIB / read,
        "MiB peak memory of the service": peak,
        "MiB of it before": idle,
        "MiB of the file": file.bytes / _MIB,
        "MiB of files left": left / _MIB,
        "MiB that the database grew": grown / _MIB,
    }
    _let_erase(system, job)
    words = (
        f"{LINES:,} lines about {system.people:,} persons through Envoy, one process of the service; until"
        " it is erased the job leaves files and a disclosure record per line (WAL not counted);"
        f" {', '.join(f'{name.lower()} {n:,}' for name, n in sorted(outcomes.items()))}"
    )
    rounds = [Round(LINES / took), *(Round(value, label=name) for name, value in told.items())]
    return result("match-file", "lines/s", rounds, words, value=LINES / took)


def _door(system: System) -> Door:
    mine = system.enrolment.systems[_CALLER]
    return Door(system.description["gateway_url"], mine.certificate, mine.key, mine.ca)


def _database_size(system: System) -> int:
    (row,) = asyncio.run(system.rows("population", "SELECT pg_database_size(current_database()) AS bytes"))
    return int(row["bytes"])


def _let_erase(system: System, job: _Job) -> None:
    """Let the job's time be over: the service erases its files."""
    statement = "UPDATE match_jobs SET expires_at = clock_timestamp() WHERE id = $1::uuid RETURNING id"
    asyncio.run(system.rows("population", statement, job.path.rpartition("/")[2]))
