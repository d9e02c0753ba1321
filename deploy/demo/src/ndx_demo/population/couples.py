"""Young couples of the synthetic population, as the parents of births that are to be registered."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ndx_demo.population.households import NOBODY, SPOUSE
from ndx_demo.population.people import AS_OF, EPOCH, Block, blocks, years_of
from ndx_demo.population.tables import names, places

MOTHER_AGES = (20, 40)


@dataclass(frozen=True, slots=True)
class Parent:
    """What a declaration says of a parent."""

    personal_id: str
    surname: str
    full_name: str
    birth_date: date
    ethnicity_code: str


@dataclass(frozen=True, slots=True)
class Couple:
    """A married couple who live together in a commune."""

    mother: Parent
    father: Parent
    province_code: str
    commune_code: str
    residence: str


def _parent(block: Block, at: int) -> Parent:
    words = names().vocabulary.words
    parts = (block.names.surname, block.names.middle, block.names.second_middle, block.names.given)
    return Parent(
        personal_id=f"{block.number[at]:012d}",
        surname=words[block.names.surname[at]],
        full_name=" ".join(words[p[at]] for p in parts if p[at]),
        birth_date=EPOCH + timedelta(days=int(block.people.born[at])),
        ethnicity_code=f"{block.group[at]:02d}",
    )


def couples(people: int, *, seed: int) -> Iterator[Couple]:
    """Yield the couples of a population of that size; the first ones all live in the demo's commune."""
    table = places()
    for block in blocks(people, seed=seed):
        age = AS_OF.year - years_of(block.people.born)
        wives = (block.people.relation == SPOUSE) & (block.people.spouse != NOBODY)
        fertile = (age >= MOTHER_AGES[0]) & (age <= MOTHER_AGES[1])
        for at in np.flatnonzero(wives & fertile).tolist():
            commune = int(block.commune[at])
            yield Couple(
                mother=_parent(block, at),
                father=_parent(block, int(block.people.spouse[at])),
                province_code=table.province_codes[int(table.province[commune])],
                commune_code=table.codes[commune],
                residence=f"{table.names[commune]}, {table.province_names[int(table.province[commune])]}",
            )
