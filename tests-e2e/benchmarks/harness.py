"""What every benchmark shares: a raw keep-alive load generator, rounds, percentiles, and the result file."""

import asyncio
import json
import os
import platform
import ssl
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / ".local" / "bench"


@dataclass(slots=True)
class Round:
    """One measured stretch."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int


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
    conditions: str
    machine: dict[str, Any] = field(default_factory=dict)
    commit: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def machine() -> dict[str, Any]:
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_mib": memory, "kernel": platform.release()}


def client_context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(certificate, key)
    return context


async def _connection(  # noqa: PLR0917 - all six are facts of one connection
    host: str, port: int, context: ssl.SSLContext, make: Callable[[], bytes], until: float, seen: list[float]
) -> int:
    errors = 0
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
    try:
        while time.perf_counter() < until:
            started = time.perf_counter()
            writer.write(make())
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            at = lower.find(b"content-length:")
            if at >= 0:
                await reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
            if not head.startswith(b"HTTP/1.1 2"):
                errors += 1
            seen.append((time.perf_counter() - started) * 1000)
    finally:
        writer.close()
    return errors


async def load(
    url: str, context: ssl.SSLContext, make: Callable[[], bytes], *, connections: int, seconds: float
) -> Round:
    """Send requests over keep-alive connections as fast as answers come."""
    host, _, port = url.removeprefix("https://").partition(":")
    seen: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    errors = await asyncio.gather(
        *(_connection(host, int(port), context, make, until, seen) for _ in range(connections))
    )
    elapsed = time.perf_counter() - started
    return Round(
        len(seen) / elapsed,
        percentile(seen, 0.5),
        percentile(seen, 0.95),
        percentile(seen, 0.99),
        sum(errors),
    )


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def result(
    name: str, unit: str, rounds: list[Round], conditions: str, ceiling: tuple[str, float] | None = None
) -> Result:
    """Put medians together and write `.local/bench/<name>.json`."""
    value = statistics.median(r.per_second for r in rounds)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    made = Result(
        name=name,
        value=round(value, 1),
        unit=unit,
        ceiling=None if ceiling is None else {"name": ceiling[0], "value": round(ceiling[1], 1)},
        ratio=None if ceiling is None else round(value / ceiling[1], 3),
        p50_ms=round(statistics.median(r.p50_ms for r in rounds), 2),
        p95_ms=round(statistics.median(r.p95_ms for r in rounds), 2),
        p99_ms=round(statistics.median(r.p99_ms for r in rounds), 2),
        errors=sum(r.errors for r in rounds),
        rounds=rounds,
        conditions=conditions,
        machine=machine(),
        commit=commit,
    )
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(asdict(made), indent=1))
    return made


def report(results: list[Result]) -> Path:
    """Write a table with bars."""
    rows = "".join(
        f"<tr><td>{r.name}<td>{r.value:.0f} {r.unit}<td>{'' if r.ratio is None else r.ratio}"
        f"<td>{r.p50_ms}<td>{r.p95_ms}<td>{r.p99_ms}<td>{r.errors}"
        f"<td><svg width=200 height=14><rect width={min(200, 200 * (r.ratio or 0)):.0f} height=14 fill=#2a6>"
        f"</svg><td>{r.conditions}"
        for r in results
    )
    target = OUT / "report.html"
    target.write_text(
        "<!doctype html><meta charset=utf-8><title>ndx benchmarks</title>"
        "<style>body{font:14px sans-serif}td,th{padding:4px 10px;text-align:left}</style>"
        "<h1>ndx benchmarks</h1><table><tr><th>name<th>value<th>of ceiling<th>p50 ms<th>p95 ms<th>p99 ms"
        f"<th>errors<th><th>conditions{rows}</table>"
    )
    return target
