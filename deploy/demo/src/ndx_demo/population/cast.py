"""The cast of the demo's stories: people of the synthetic population who live in the demo's commune."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ndx_demo.population.households import CAST_AGE, NOBODY, SPOUSE, YEAR
from ndx_demo.population.people import (
    AS_OF,
    CAST_COMMUNE,
    EPOCH,
    Block,
    blocks,
    day_number,
    old_and_alone,
    years_of,
)
from ndx_demo.population.tables import names, places

MOTHER_AGES = (20, 40)
Ints = NDArray[np.int64]
SEXES = ("MALE", "FEMALE")


@dataclass(frozen=True, slots=True)
class Person:
    """What a declaration says of a person."""

    personal_id: str
    surname: str
    full_name: str
    birth_date: date
    sex: str
    ethnicity_code: str
    residence: str


@dataclass(frozen=True, slots=True)
class Couple:
    """A married couple who live together."""

    mother: Person
    father: Person


def _person(block: Block, at: int) -> Person:
    words, table = names().vocabulary.words, places()
    parts = (block.names.surname, block.names.middle, block.names.second_middle, block.names.given)
    commune = int(block.commune[at])
    return Person(
        personal_id=f"{block.number[at]:012d}",
        surname=words[block.names.surname[at]],
        full_name=" ".join(words[p[at]] for p in parts if p[at]),
        birth_date=EPOCH + timedelta(days=int(block.people.born[at])),
        sex=SEXES[int(block.people.sex[at])],
        ethnicity_code=f"{block.group[at]:02d}",
        residence=f"{table.names[commune]}, {table.province_names[int(table.province[commune])]}",
    )


def _in_commune(block: Block) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = block.commune == places().codes.index(CAST_COMMUNE)
    return found


def _youngest_child(block: Block) -> Ints:
    """Return the day on which each person's youngest child was born; the first day of all for none."""
    people = block.people
    child = np.flatnonzero(people.mother != NOBODY)
    found = np.full(len(people), np.iinfo(np.int64).min)
    np.maximum.at(found, people.mother[child], people.born[child])
    return found


def couples(people: int, *, seed: int) -> Iterator[Couple]:
    """Yield the couples of the demo's commune who may have a child now, in the order of the file."""
    block = next(blocks(people, seed=seed))
    age = AS_OF.year - years_of(block.people.born)
    wives = (block.people.relation == SPOUSE) & (block.people.spouse != NOBODY)
    fertile = (age >= MOTHER_AGES[0]) & (age <= MOTHER_AGES[1])
    # Two births of one mother lie nine months apart; a second one a year back must fit in between as well.
    rested = _youngest_child(block) <= day_number(AS_OF) - int(CAST_AGE[0] * YEAR)
    for at in np.flatnonzero(wives & fertile & rested & _in_commune(block)).tolist():
        yield Couple(_person(block, at), _person(block, int(block.people.spouse[at])))


def elders(people: int, *, seed: int) -> Iterator[Person]:
    """Yield the old people of the demo's commune who live alone, in the order of the file."""
    block = next(blocks(people, seed=seed))
    for at in np.flatnonzero(old_and_alone(block.people) & _in_commune(block)).tolist():
        yield _person(block, at)
