"""`scale`: the gathered lookup in a large database; the ceiling is the same in a small one, in turns with it.

The service's own desk in one process, without HTTP: what is measured is whether the database slows down as it
grows. Both databases lie in one PostgreSQL, and every lookup leaves its durable record.
"""

import asyncio
import time
from itertools import count
from uuid import UUID

from harness import Result, Round, percentile, result, timed
from ndx_chassis.ids import new_id
from svc_population.persons.desk import Desk
from svc_population.persons.hot_read import LOOKUPS
from svc_population.persons.lookup_sql import Lookup
from svc_population.settings import Settings
from system import sample

ROUNDS, SECONDS, ASKERS = 5, 4.0, 64
MOST = 2_000_000
"""Of more people so many are asked for, each once in a run as long as they last."""
_REQUEST = "01900000-0000-7000-8000-000000000000"


def _lookup(personal_id: str) -> Lookup:
    record: UUID = new_id()
    return Lookup(
        personal_id=personal_id,
        provinces=None,
        communes=None,
        want_family=False,
        want_household=False,
        want_cards=False,
        id=record,
        agency="G03",
        system="insurance-link",
        officer=None,
        case_id=None,
        purpose="SOCIAL_INSURANCE",
        agreement="DSA-G03-1",
        agreement_version=1,
        operation="population.get_person",
        field_groups="birth_date,birth_name,permanent_residence,personal_id,sex",
        request_id=_REQUEST,
        trace_id=None,
    )


class _Side:
    """A database, its desk, and whom to ask for next."""

    def __init__(self, url: str, numbers: list[str]) -> None:
        settings = Settings(database_url=url)
        self.desk = Desk(
            settings.asyncpg_dsn,
            LOOKUPS,
            lanes=settings.lookup_lanes,
            batch=settings.lookup_batch,
            queue=settings.lookup_queue,
            committed=lambda: None,
        )
        self._numbers = numbers
        self._next = count()

    async def turn(self, seconds: float) -> Round:
        """Let all askers ask one after the other for some seconds."""
        end = time.perf_counter() + seconds
        took: list[float] = []

        async def asker() -> None:
            while (begun := time.perf_counter()) < end:
                number = self._numbers[next(self._next) % len(self._numbers)]
                row = await self.desk.ask(_lookup(number))
                if not row["shown"]:
                    raise LookupError("a person of the population was not found")
                took.append((time.perf_counter() - begun) * 1000)

        started = time.perf_counter()
        await asyncio.gather(*(asker() for _ in range(ASKERS)))
        return timed(len(took) / (time.perf_counter() - started), took)


async def _in_turns(large: _Side, small: _Side) -> list[Round]:
    rounds = []
    for side in (large, small):
        await side.desk.start()
    try:
        for number in range(ROUNDS + 1):
            made, beside = await large.turn(SECONDS), await small.turn(SECONDS)
            made.label = f"{made.value:,.0f}/s, beside it {beside.value:,.0f}/s; p99 in ms"
            made.value, made.ceiling = made.p99_ms or 0.0, beside.p99_ms
            if number:  # the first warms up
                rounds.append(made)
    finally:
        for side in (large, small):
            await side.desk.stop()
    return rounds


def measure(large: str, people: int, small: str, fewer: int) -> list[Result]:
    """Compare two loaded databases, given by their URLs and numbers of people."""
    sides = [
        _Side(url, asyncio.run(sample(url, min(size, MOST), size)))
        for url, size in ((large, people), (small, fewer))
    ]
    rounds = asyncio.run(_in_turns(*sides))
    spread = percentile([r.value / r.ceiling for r in rounds if r.ceiling], 1.0)
    words = (
        f"p99 of {ASKERS} askers in one process without HTTP, a durable record each; one person at random"
        f" (of {min(people, MOST):,} and {min(fewer, MOST):,} drawn, so reads are cold at first);"
        f" turns of {SECONDS:.0f} s, the highest ratio of {ROUNDS} was {spread:.2f}"
    )
    return [
        result(
            "scale",
            f"ms, p99 at {people:,} persons",
            rounds,
            words,
            ceiling=f"p99 at {fewer:,} persons",
        )
    ]
