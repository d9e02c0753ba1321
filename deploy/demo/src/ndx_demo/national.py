"""A population of national size: how many people fit the disk, and a load in parts that can be taken up."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from shutil import disk_usage

import asyncpg
from svc_population.imports.service import load_persons

from ndx_demo.population.people import Block, blocks
from ndx_demo.population.rows import HEADER, Texts, text

NATIONAL, SMALLER = 100_000_000, 10_000_000
ROOM_BESIDE = 7_000_000_000
"""Bytes beside the people: 4 GB of write-ahead log (`max_wal_size`), the small database, and records."""
GROWTH = 1.2
"""By so much a person takes more in a large database than in the small one that is measured: indexes that are
filled in one go are denser than those that many loads have filled."""
LEFT = 1_000_000_000
"""Loading ends in time when less than this is free: PostgreSQL must still be able to write its log."""
PART_BLOCKS = 40
"""Blocks of some 50,000 people that make a part: about two million."""
Report = Callable[[str], None]


class DiskShort(Exception):
    """The disk does not hold what is wanted; the words say how much it would hold."""


class OtherPopulation(Exception):
    """The database holds a population of another size."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Room for people: free bytes, people loaded already, bytes that one more takes."""

    folder: Path
    free: int
    loaded: int
    per_person: float

    def needs(self, people: int) -> int:
        """Return the bytes that must be free for so many people."""
        return int(max(0, people - self.loaded) * self.per_person * GROWTH) + ROOM_BESIDE

    def holds(self) -> int:
        """Return how many people fit, as a round number."""
        more = max(0, self.free - ROOM_BESIDE) / (self.per_person * GROWTH)
        return (self.loaded + int(more)) // 100_000 * 100_000

    def choose(self, wanted: int | None) -> int:
        """Return `wanted` when it fits; without it 100 million, or 10 million.

        Raises:
            DiskShort: there is no room for them.
        """
        for people in (wanted,) if wanted is not None else (NATIONAL, SMALLER):
            if self.needs(people) <= self.free:
                return people
        raise DiskShort(
            f"{people:,} people need {_gb(self.needs(people))} in {self.folder}, and {_gb(self.free)} are"
            f" free: make room, or ask for fewer; {self.holds():,} fit (N={self.holds()})"
        )


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


@dataclass(slots=True)
class Progress:
    """What has been done, how fast, and how long the rest takes."""

    people: int
    report: Report
    before: int = 0
    """People of parts that an earlier run loaded."""
    here: int = 0
    """People that this run has loaded."""
    started: float = 0.0

    def tell(self, now: float) -> None:
        """Say one line; `now` and `started` are seconds of the same clock."""
        done = self.before + self.here
        rate = self.here / max(now - self.started, 0.001)
        rest = max(0, self.people - done)
        seconds = rest / rate if rate else 0
        left = f"{seconds / 60:,.0f} min left" if seconds > 120 else f"{seconds:.0f} s left"  # noqa: PLR2004
        left = left if rest else "all there"
        self.report(
            f"  {done:,} of {self.people:,} people ({100 * done // self.people} %), {rate:,.0f}/s, {left}"
        )


_SOURCE = "import:synthetic:{seed}:{people}:{part}"
_BEGUN = "SELECT source, state, lines FROM imports WHERE source LIKE 'import:synthetic:%'"
"""The database itself says what it holds: each part is a load of its own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What earlier runs have left in the database."""

    people: int | None
    """How many people are being loaded, None when nobody has begun."""
    parts: dict[str, int]
    """Source of each part that is loaded to its end, with its people."""

    @property
    def loaded(self) -> int:
        return sum(self.parts.values())


async def kept(url: str) -> Kept:
    """Ask a population database what it holds."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(_BEGUN)
    finally:
        await connection.close()
    sizes = {int(row["source"].split(":")[3]) for row in rows}
    parts = {str(r["source"]): int(r["lines"]) for r in rows if r["state"] == "FINISHED"}
    return Kept(max(sizes, default=None), parts)


def _parts(made: Iterator[Block], size: int) -> Iterator[Iterator[Block]]:
    while (first := next(made, None)) is not None:
        yield chain([first], islice(made, size - 1))


def load_in_parts(url: str, people: int, *, seed: int, folder: Path, report: Report = lambda _: None) -> int:
    """Make people and load them, part by part and without a file between; return how many this run loaded.

    Parts that are loaded are passed over: their people are made, so that numbers go on, but not written. The
    part that was ended in its midst is loaded anew, and whoever is there already is skipped. Memory does not
    grow with the number of people.

    Raises:
        OtherPopulation: the database holds another number of people, who would share numbers with these.
        DiskShort: the disk of `folder` is nearly full; what is loaded stays.
    """
    known = asyncio.run(kept(url))
    if known.people not in {None, people}:
        raise OtherPopulation(
            f"the database holds (or began to hold) {known.people:,} people, not {people:,}"
        )
    texts = Texts()
    progress = Progress(people, report, before=known.loaded, started=time.monotonic())
    for number, part in enumerate(_parts(blocks(people, seed=seed), PART_BLOCKS)):
        source = _SOURCE.format(seed=seed, people=people, part=number)
        if source in known.parts:
            for _ in part:
                pass
            continue
        if not progress.here:
            progress.started = time.monotonic()
        asyncio.run(_load(url, source, (text(block, texts) for block in part), folder, progress))
    return progress.here


async def _load(url: str, source: str, pieces: Iterator[str], folder: Path, progress: Progress) -> None:
    done_before = progress.here

    def report(lines: int) -> None:
        progress.here = done_before + lines
        progress.tell(time.monotonic())

    await load_persons(url, chain([HEADER], _while_room(pieces, folder)), source=source, report=report)


def _while_room(pieces: Iterator[str], folder: Path) -> Iterator[str]:
    for piece in pieces:
        if (free := disk_usage(folder).free) < LEFT:
            raise DiskShort(
                f"only {_gb(free)} are free in {folder}: make room and start again, it goes on from here"
            )
        yield piece
