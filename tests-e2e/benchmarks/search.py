"""`search`: people by name without accents and birth year, with records; no ceiling, the goal is a time.

The use case itself over one connection, without HTTP: what is measured is the database and the ranking. Names
are those of the population, written as clerks write them: accents lost, tones elsewhere, `Thị` left out.
"""

import asyncio
import random
import time
from typing import Any

from harness import Result, Round, result, timed
from ndx_chassis.db import make_engine, make_sessions
from ndx_contracts.field_groups import FieldGroup
from people import PEOPLE, covered, fetch, population
from svc_population.matching import service
from svc_population.matching.errors import SearchTooBroad
from svc_population.matching.name_folding import canonical_tones, unaccented_key
from svc_population.matching.schemas import PersonSearchIn
from svc_population.settings import Settings

ROUNDS, SEARCHES = 3, 400
_GROUPS = [
    FieldGroup.BIRTH_NAME,
    FieldGroup.BIRTH_DATE,
    FieldGroup.PERSONAL_ID,
    FieldGroup.PERMANENT_RESIDENCE,
]


def _some(people: int) -> str:
    return (
        "SELECT concat_ws(' ', surname, middle_name, given_name) AS name, birth_date,"
        " permanent_commune_code AS commune FROM persons"
        f" TABLESAMPLE BERNOULLI ({min(100.0, 400_000 / people)}) LIMIT 3000"
    )


def _questions(rows: list[Any], seed: int) -> dict[str, list[PersonSearchIn]]:
    chance = random.Random(seed)
    shown = tuple(_GROUPS)

    def written(name: str) -> str:
        return chance.choice((unaccented_key, canonical_tones, lambda n: n.replace(" Thị ", " ")))(name)

    some = chance.sample(rows, SEARCHES)
    return {
        "name and birth year": [
            PersonSearchIn(name=written(r["name"]), birth_date=str(r["birth_date"].year), fields=shown)
            for r in some
        ],
        "name and birth date": [
            PersonSearchIn(name=written(r["name"]), birth_date=str(r["birth_date"]), fields=shown)
            for r in some
        ],
        "name and commune": [
            PersonSearchIn(name=written(r["name"]), commune_code=r["commune"], fields=shown)
            for r in some
            if r["commune"]
        ],
    }


async def _asked(url: str, rows: list[Any]) -> dict[str, list[Round]]:
    engine = make_engine(Settings(database_url=url))
    sessions = make_sessions(engine)
    caller, grant = covered("population.search_persons", _GROUPS)
    rounds: dict[str, list[Round]] = {}
    for number in range(ROUNDS + 1):
        for label, questions in _questions(rows, number).items():
            took, broad = [], 0
            for asked in questions:
                started = time.perf_counter()
                try:
                    async with sessions() as session, session.begin():
                        await service.search(
                            session, reading=session, caller=caller, grant=grant, asked=asked
                        )
                except SearchTooBroad:
                    broad += 1
                took.append((time.perf_counter() - started) * 1000)
            one = timed(1000 * len(took) / sum(took), took)
            one.label = f"{label}, {broad} too broad"
            if number:  # the first round warms up
                rounds.setdefault(label, []).append(one)
    await engine.dispose()
    return rounds


def searches(url: str, people: int, *, name: str = "search") -> list[Result]:
    """Search in a loaded database."""
    rounds = asyncio.run(_asked(url, fetch(url, _some(people))))
    words = f"{people:,} persons in 16 partitions, one connection, records written, up to 20 people shown"
    return [
        result(f"{name}-{label.replace(' ', '-')}", "searches/s", found, f"{label}; {words}")
        for label, found in rounds.items()
    ]


def measure() -> list[Result]:
    with population() as url:
        return searches(url, PEOPLE)
