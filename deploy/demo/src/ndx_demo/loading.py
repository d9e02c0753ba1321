"""Makes the synthetic population and loads it into a stack; a second time is a no-op."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ndx_local.stack import Stack
from svc_population.imports.service import load_persons

from ndx_demo.door import StepFailed
from ndx_demo.population.rows import lines

SEED = 1
EDITION = 2
"""Grows when the same number of people and seed make other people than before."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What is in the database; `seconds` is 0 when it was there before."""

    people: int
    seed: int
    inserted: int
    seconds: float

    def __str__(self) -> str:
        if self.seconds == 0:
            return f"{self.people:,} synthetic people were there already"
        return f"{self.inserted:,} synthetic people made and loaded in {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Which population a stack has."""

    people: int
    seed: int


def _marker(home: Path) -> Path:
    return home / "demo-population.json"


def loaded(home: Path) -> Loaded | None:
    """Return which population was loaded into the stack of that folder.

    Raises:
        StepFailed: it was made in another way than people are made now, so nobody in it would be found.
    """
    file = _marker(home)
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    if found.get("edition") != EDITION:
        raise StepFailed(
            f"the stack holds synthetic people of another edition; stop it (make down) and remove {home}"
        )
    return Loaded(found["people"], found["seed"])


def mark(home: Path, people: int, seed: int) -> None:
    """Say which population was loaded into the stack of that folder."""
    _marker(home).write_text(json.dumps({"people": people, "seed": seed, "edition": EDITION}))


def load_population(
    stack: Stack, persons: int, report: Callable[[str], None] = lambda _: None, *, seed: int = SEED
) -> LoadResult:
    """Make people and load them through the service's own import, streaming.

    Raises:
        svc_population.imports.errors.ImportRefused: the service does not take the file.
    """
    known = loaded(stack.paths.home)
    if known is not None:
        # Another population beside it would share numbers with it: what is there stays and is used.
        return LoadResult(known.people, known.seed, 0, 0.0)
    url = stack.env("population")["POPULATION_DATABASE_URL"]
    began = time.monotonic()

    def tell(done: int) -> None:
        report(f"  population: {done:,} of {persons:,}, {done / (time.monotonic() - began):,.0f}/s")

    done = asyncio.run(load_persons(url, lines(persons, seed=seed), source="import:synthetic", report=tell))
    mark(stack.paths.home, persons, seed)
    return LoadResult(persons, seed, done.inserted, time.monotonic() - began)
