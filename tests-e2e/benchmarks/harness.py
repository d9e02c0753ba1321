"""What every benchmark shares: how load is sent, what a round and a result are, and where results go."""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from generator import GROUP_SEPARATOR, SEPARATOR

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / ".local" / "bench"
CPUS = sorted(os.sched_getaffinity(0))
FRONT = CPUS[:1]
"""The core of what is measured, where a benchmark gives it one core."""
BACK = CPUS[1:] or CPUS
"""The cores of everything else."""
OTHER_LOAD = os.getloadavg()[1]
"""How many others wanted the processor in the five minutes before the run."""


Told = dict[str, Any]
"""What the generator told of a turn."""


class CannotMeasure(Exception):
    """Something that the benchmark needs is missing; the words say what to do."""


@dataclass(slots=True)
class Round:
    """One measured stretch."""

    value: float
    """In the result's unit."""
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    errors: int = 0
    cpu_us: dict[str, float] = field(default_factory=dict)
    """CPU time per request of each watched part: noise moves it far less than requests per second."""
    busy: dict[str, float] = field(default_factory=dict)
    """Share of one core that each watched part used: near 1 means that the part was the bottleneck."""
    generator_busy: float | None = None
    """Share of one core that the load generator used."""
    label: str = ""
    """What the round stands for, where it is not one of several like ones."""
    ceiling: float | None = None
    """What the ceiling reached in the turn beside this round."""
    ceiling_cpu_us: dict[str, float] = field(default_factory=dict)
    """CPU time of the ceiling's parts per request, as `cpu_us`."""


@dataclass(slots=True)
class Result:
    """A figure next to its ceiling of the same run; medians over the rounds."""

    name: str
    value: float
    unit: str
    ceiling: dict[str, Any] | None
    ratio: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    errors: int
    rounds: list[Round]
    machine: dict[str, Any]
    commit: str
    conditions: str


def server_cpu(pid: int) -> float:
    """Return the CPU seconds of a PostgreSQL server's ended and running processes, with its housekeeping."""
    server = psutil.Process(pid)
    running = 0.0
    for child in server.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            running += sum(child.cpu_times()[:2])
    ended = server.cpu_times()
    return float(ended.children_user + ended.children_system + running)


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def mean(rounds: Sequence[Round]) -> Round:
    """Return one round that stands for many short turns; of latencies the medians."""

    def of(which: str) -> dict[str, float]:
        first: dict[str, float] = getattr(rounds[0], which)
        return {name: statistics.fmean(getattr(r, which)[name] for r in rounds) for name in first}

    return Round(
        statistics.fmean(r.value for r in rounds),
        median(r.p50_ms for r in rounds),
        median(r.p95_ms for r in rounds),
        median(r.p99_ms for r in rounds),
        sum(r.errors for r in rounds),
        of("cpu_us"),
        of("busy"),
        median(r.generator_busy for r in rounds),
    )


def timed(value: float, took_ms: Sequence[float], errors: int = 0) -> Round:
    """Return a round of single times."""
    p50, p95, p99 = (percentile(took_ms, share) for share in (0.5, 0.95, 0.99))
    return Round(value, p50, p95, p99, errors)


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(CPUS),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "kernel": platform.release(),
        "python": f"{platform.python_version()}, {_loop_ms():.0f} ms for a fixed loop",
    }


def _loop_ms() -> float:
    """Tell interpreters apart: profile-guided optimisation takes a quarter off."""
    took = []
    for _ in range(3):
        started = time.process_time()
        counts: dict[str, int] = {}
        for number in range(200_000):
            key = str(number % 1000)
            counts[key] = counts.get(key, 0) + len(key)
        took.append(time.process_time() - started)
    return min(took) * 1000


def commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip()


def pin(pid: int, cpus: Sequence[int]) -> None:
    """Bind every thread of a process to cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), set(cpus))


def urgent(*pids: int) -> bool:
    """Let nobody else have the core while these want it; False where the system does not allow that."""
    try:
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@dataclass(frozen=True, slots=True)
class Load:
    """Whom to ask, as whom, and with what."""

    port: int
    callers: Sequence[tuple[Path, Path]]
    """Certificates and keys; the connections take them in turn."""
    ca: Path
    requests: Sequence[Sequence[bytes]]
    """For each caller in turn what it asks; one list when all ask the same."""
    name: str = "localhost"
    """Name that the server's certificate must have."""
    once: bool = False
    """Each request may be sent once only."""
    watch: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Parts whose CPU time is taken, with their processes; children are counted with them."""
    cpus: Sequence[int] = ()
    """Cores of the generator; all when empty."""

    def job(self, folder: Path, **how: Any) -> dict[str, Any]:
        """Return what the generator reads; the requests lie in a file of the folder."""
        requests = folder / f"requests-{self.port}-{len(self.callers)}"
        requests.write_bytes(GROUP_SEPARATOR.join(map(SEPARATOR.join, self.requests)))
        return {
            "port": self.port,
            "callers": [[str(c), str(k)] for c, k in self.callers],
            "ca": str(self.ca),
            "name": self.name,
            "requests": str(requests),
            "once": self.once,
            "watch": {name: list(pids) for name, pids in self.watch.items()},
            **how,
        }

    def run(
        self,
        *,
        connections: int,
        seconds: float,
        warmup: float = 0.5,
        rate: float | None = None,
        skip: int = 0,
    ) -> tuple[Round, int]:
        """Send for some seconds; return the round and how many requests have been used up."""
        how = {"connections": connections, "seconds": seconds, "warmup": warmup, "rate": rate, "skip": skip}
        (told,) = _generate([self], [0], how)
        return _round(told), int(told["sent"])


def in_turns(
    loads: Sequence[Load],
    turns: Sequence[int],
    *,
    connections: int,
    seconds: float,
    lead: float = 0.0,
) -> list[Round]:
    """Let servers take turns, given by their places in `loads`; return one round per turn.

    A turn begins with a `lead` that is not measured, so that the server finds its memory in the caches.
    """
    how = {"connections": connections, "seconds": seconds, "warmup": 0.3, "lead": lead}
    return [_round(told) for told in _generate(loads, turns, how)]


def by_the_clock(
    loads: Sequence[Load],
    turns: Sequence[int],
    *,
    begin: float,
    every: float,
    urgent: bool = False,
    **how: Any,
) -> list[Told]:
    """Let servers take turns, each begun at its time, so that generators keep step; return what was told.

    With it come all latencies of a turn (`took`), and how late each request was sent (`late`), in seconds.
    """
    how = {"warmup": 0.3, "keep": True, **how}
    return _generate(loads, turns, how, begin=begin, every=every, urgent=urgent)


def _generate(
    loads: Sequence[Load], turns: Sequence[int], how: dict[str, Any], **clock: float
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        document = {
            "jobs": [load.job(Path(folder), **how) for load in loads],
            "turns": list(turns),
            "cpus": list(loads[0].cpus),
            **clock,
        }
        file = Path(folder) / "jobs.json"
        file.write_text(json.dumps(document))
        done = subprocess.run(
            [sys.executable, str(HERE / "generator.py"), str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise CannotMeasure(f"the load generator stopped: {done.stderr.strip()[-500:]}")
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def _round(told: dict[str, Any]) -> Round:
    if told["errors"]:
        print(f"  errors: {told['statuses']}, {told['broken']} broken connections")
    names = Round.__dataclass_fields__.keys() & told.keys()
    return Round(told["per_second"], **{name: told[name] for name in names})


def median(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def result(
    name: str,
    unit: str,
    rounds: list[Round],
    conditions: str,
    *,
    ceiling: str | None = None,
    value: float | None = None,
) -> Result:
    """Put medians together and write `.local/bench/<name>.json`; `ceiling` names what the rounds hold."""
    value = statistics.median(r.value for r in rounds) if value is None else value
    top = median(r.ceiling for r in rounds) if ceiling else None
    made = Result(
        name=name,
        value=round(value, 1),
        unit=unit,
        ceiling=None if top is None else {"name": ceiling, "value": round(top, 1)},
        ratio=_rounded(median(r.value / r.ceiling for r in rounds if r.ceiling), 3) if top else None,
        p50_ms=_rounded(median(r.p50_ms for r in rounds), 2),
        p95_ms=_rounded(median(r.p95_ms for r in rounds), 2),
        p99_ms=_rounded(median(r.p99_ms for r in rounds), 2),
        errors=sum(r.errors for r in rounds),
        rounds=rounds,
        machine=machine(),
        commit=commit(),
        conditions=f"{conditions}; load average before the run {OTHER_LOAD:.1f}",
    )
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(asdict(made), indent=1, ensure_ascii=False) + "\n")
    return made


def cpu(rounds: Sequence[Round], which: str = "cpu_us") -> dict[str, float]:
    """Return the median CPU time per request of each part."""
    found: dict[str, list[float]] = {}
    for one in rounds:
        for name, us in getattr(one, which).items():
            found.setdefault(name, []).append(us)
    return {name: statistics.median(us) for name, us in found.items()}


def words(made: Result) -> str:
    """Return one line for the terminal."""
    parts = [f"{made.name}: {made.value:,.0f} {made.unit}"]
    if made.ceiling is not None:
        parts.append(f"{made.ratio} of {made.ceiling['name']} ({made.ceiling['value']:,.0f})")
    if made.p99_ms is not None:
        parts.append(f"p50 {made.p50_ms} p95 {made.p95_ms} p99 {made.p99_ms} ms")
    parts += [f"{name} {us:.0f} µs" for name, us in cpu(made.rounds).items()]
    if ceiling := cpu(made.rounds, "ceiling_cpu_us"):
        parts.append(f"ceiling: {', '.join(f'{name} {us:.0f} µs' for name, us in ceiling.items())}")
    parts.append(f"errors {made.errors}")
    return ", ".join(parts)
