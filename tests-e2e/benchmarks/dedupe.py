"""`dedupe`: the search for duplicates over a country whose duplicates, twins and namesakes are known.

First the way of the job up to its pairs: everybody is read from PostgreSQL and keyed there, compared, sorted
into zones. Then the whole job once, with its cases. Every hundredth person has a second record with a fault,
or somebody who only looks alike. How many of them each zone holds, by kind of fault, goes to the file
`dedupe-zones.json` beside the report.
"""

import asyncio
import json
import resource
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import people
from harness import OUT, CannotMeasure, Result, Round, machine, result
from ndx_chassis.db import make_engine, make_sessions
from ndx_demo.population.duplicates import Kind, Truth, with_duplicates
from ndx_demo.population.rows import lines
from people import PEOPLE, population
from svc_population.dedupe.engines import DuckDb, Pair, pairs_of
from svc_population.dedupe.model import Model, load_model
from svc_population.dedupe.reading import stream
from svc_population.dedupe.vocabulary import Zone
from svc_population.dedupe.working import Asked, Found, Place, find_duplicates
from svc_population.dedupe.workspace import Workspace
from svc_population.settings import Settings

SHARE = 0.01
MEMORY = "4GB"


@dataclass(slots=True)
class _Measured:
    persons: int
    read: float
    compared: float
    pairs: dict[tuple[str, str], Pair]


def _searched(url: str, folder: Path, model: Model) -> _Measured:
    workspace = Workspace(folder)
    workspace.begin(UUID(int=1))
    started = time.perf_counter()
    persons = asyncio.run(stream(url, workspace.take))
    read = time.perf_counter() - started
    started = time.perf_counter()
    engine = DuckDb(workspace, memory=MEMORY, threads=2)
    try:
        parts = range(1, engine.parts(persons) + 1)
        for part in parts:
            engine.compare(model, part, persons)
        found = [p for part in parts for p in pairs_of(model, workspace.rows(part)) if p is not None]
        return _Measured(persons, read, time.perf_counter() - started, {(p.one, p.other): p for p in found})
    finally:
        engine.close()
        workspace.erase()


def _zones(truth: list[Truth], pairs: dict[tuple[str, str], Pair]) -> dict[str, Any]:
    """Count each zone by kind; pairs of the country itself that nobody made are no duplicates."""
    counted: dict[Kind, Counter[Zone]] = {kind: Counter() for kind in Kind}
    known = set()
    for one in truth:
        key = (min(one.original, one.added), max(one.original, one.added))
        known.add(key)
        counted[one.kind][pairs[key].zone if key in pairs else Zone.NO] += 1
    others = Counter(p.zone.value for key, p in pairs.items() if key not in known)
    one_person = [counted[kind] for kind in Kind if kind.is_one_person]
    total = sum(c.total() for c in one_person)
    found = {zone: sum(c[zone] for c in one_person) for zone in Zone}
    in_zone = Counter(p.zone for p in pairs.values())
    return {
        "true pairs": total,
        "precision": {
            z: round(found[z] / in_zone[z], 4) if in_zone[z] else None for z in (Zone.SURE, Zone.REVIEW)
        },
        "recall": {
            "SURE": round(found[Zone.SURE] / total, 4),
            "SURE or REVIEW": round((found[Zone.SURE] + found[Zone.REVIEW]) / total, 4),
        },
        "by kind": {kind: {z: counts[z] for z in Zone} for kind, counts in counted.items()},
        "neither made nor known": dict(others),
    }


async def _job(url: str, folder: Path, model: Model) -> tuple[Found, float]:
    """Run the whole job, with its cases."""
    settings = Settings(database_url=url)
    engine = make_engine(settings)
    started = time.perf_counter()
    try:
        asked = Asked("bench", "bench", memory=MEMORY, threads=2)
        place = Place(make_sessions(engine), settings.asyncpg_dsn, folder)
        found = await find_duplicates(place, model=model, asked=asked)
    finally:
        await engine.dispose()
    return found, time.perf_counter() - started


def measure() -> list[Result]:
    truth: list[Truth] = []
    with (
        population(with_duplicates(lines(PEOPLE, seed=7), seed=7, share=SHARE, truth=truth)) as url,
        tempfile.TemporaryDirectory(dir=people.FOLDER) as folder,
    ):
        model = load_model()
        done = _searched(url, Path(folder) / "measured", model)
        zones = _zones(truth, done.pairs)
        job, took_job = asyncio.run(_job(url, Path(folder) / "job", model))
    if done.persons < PEOPLE:
        raise CannotMeasure(f"only {done.persons} people were read")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    OUT.mkdir(parents=True, exist_ok=True)
    document = {"persons": done.persons, "peak GiB": round(peak, 2), "machine": machine(), **zones}
    (OUT / "dedupe-zones.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(f"  {json.dumps(zones)}", flush=True)
    words = (
        f"{done.persons:,} persons, Splink on DuckDB with {MEMORY} and 2 threads, model {model.version};"
        f" read and keyed in {done.read:.0f} s, compared in {done.compared:.0f} s, {len(done.pairs):,} pairs"
        f" in SURE and REVIEW; peak {peak:.1f} GiB;"
        f" the job with {job.opened:,} cases opened and {job.deferred:,} waiting took {took_job:.0f} s;"
        f" precision and recall {zones['precision']}, {zones['recall']}"
    )
    took = done.read + done.compared
    return [result("dedupe", "persons/s", [Round(done.persons / took)], words)]
