"""Makes the synthetic population and loads it into a stack; a second time is a no-op."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ndx_local.stack import Stack
from svc_population.imports.service import load_persons

from ndx_demo.population.rows import lines

SEED = 1


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


def marker(home: Path) -> Path:
    """Return the file that says which population a stack has."""
    return home / "demo-population.json"


def load_population(
    stack: Stack, persons: int, report: Callable[[str], None] = lambda _: None, *, seed: int = SEED
) -> LoadResult:
    """Make people and load them through the service's own import, streaming.

    Raises:
        svc_population.imports.errors.ImportRefused: the service does not take the file.
    """
    file = marker(stack.paths.home)
    wanted = {"people": persons, "seed": seed}
    if file.exists():
        # Another population beside it would share numbers with it: what is there stays and is used.
        found = json.loads(file.read_text())
        return LoadResult(found["people"], found["seed"], 0, 0.0)
    url = stack.env("population")["POPULATION_DATABASE_URL"]
    began = time.monotonic()

    def tell(done: int) -> None:
        report(f"  population: {done:,} of {persons:,}, {done / (time.monotonic() - began):,.0f}/s")

    loaded = asyncio.run(load_persons(url, lines(persons, seed=seed), source="import:synthetic", report=tell))
    file.write_text(json.dumps(wanted))
    return LoadResult(persons, seed, loaded.inserted, time.monotonic() - began)
