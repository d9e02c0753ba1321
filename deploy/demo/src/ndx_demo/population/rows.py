"""Writes blocks of people as the CSV file that the population database loads."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from svc_population.imports.layout import COLUMNS

from ndx_demo.population.households import CHILD, HEAD, NO_RELATION, NOBODY, PARENT, SPOUSE
from ndx_demo.population.people import AS_OF, Block, blocks, years_of
from ndx_demo.population.tables import names, places

Ints = NDArray[np.int64]
Column = list[str]

ADULT_FROM = 14
"""Years of age from which on a person has a telephone number here."""
PHONE_PREFIX = "+84000"
"""No Vietnamese number begins with 0 after the country code: these numbers reach nobody."""
STREET = "Đường Thử Nghiệm"
"""Test Street: no such street exists."""
FILE_PREFIX = "TN"
"""For "thử nghiệm", test: numbers of residence files and households of synthetic people."""
_RELATIONS = {HEAD: "HEAD", SPOUSE: "SPOUSE", CHILD: "CHILD", PARENT: "PARENT", NO_RELATION: ""}
_MARITAL = ("SINGLE", "MARRIED", "DIVORCED", "WIDOWED")


def _digits(values: Ints, width: int) -> Column:
    """Return fixed-width decimal texts."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    table = ((values[:, None] // powers) % 10 + ord("0")).astype(np.uint8)
    texts: Column = np.ascontiguousarray(table).view(f"S{width}").ravel().astype(f"U{width}").tolist()
    return texts


def _dates(days: Ints) -> Column:
    texts: Column = days.astype("datetime64[D]").astype(str).tolist()
    return texts


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text


def _chosen(values: list[str], index: Ints) -> Column:
    found: Column = np.array(values, dtype=object)[index].tolist()
    return found


def _where(condition: NDArray[np.bool_], values: Column) -> Column:
    return [v if c else "" for c, v in zip(condition.tolist(), values, strict=True)]


class Texts:
    """Texts of places, made once."""

    def __init__(self) -> None:
        table = places()
        towns = [table.province_names[p] for p in table.province.tolist()]
        self.communes = table.codes
        self.provinces = [table.province_codes[p] for p in table.province.tolist()]
        self.now = [_quoted(f"{c}, {t}") for c, t in zip(table.names, towns, strict=True)]
        former = zip(table.old_names, table.old_province_names, strict=True)
        self.all_codes = [*table.codes, *table.old_codes]
        self.all_provinces = [*self.provinces, *table.old_province_codes]
        self.all_names = [*self.now, *(_quoted(f"{c}, {t}") for c, t in former)]


def _linked(numbers: Column, link: Ints) -> Column:
    return [numbers[i] if i != NOBODY else "" for i in link.tolist()]


def columns(block: Block, texts: Texts) -> dict[str, Column]:
    """Return the filled columns of a block; what is not here stays empty."""
    people, words = block.people, names().vocabulary.words
    number = _digits(block.number, 12)
    middle = [
        f"{words[a]} {words[b]}" if b else words[a]
        for a, b in zip(block.names.middle.tolist(), block.names.second_middle.tolist(), strict=True)
    ]
    born_in = np.where(
        block.born_before_change, block.birth_commune + len(texts.communes), block.birth_commune
    )
    alive = people.died == NOBODY
    household = _digits(block.first_household + people.household, 9)
    adult = alive & (years_of(people.born) <= AS_OF.year - ADULT_FROM)
    place = _chosen(texts.all_names, born_in)
    permanent = _chosen(texts.communes, block.commune)
    phone = block.number % 10_000_000
    return {
        "personal_id": number,
        "surname": _chosen(words, block.names.surname),
        "middle_name": middle,
        "given_name": _chosen(words, block.names.given),
        "birth_date": _dates(people.born),
        "sex": _chosen(["MALE", "FEMALE"], people.sex),
        "birth_place_code": (birth_commune := _chosen(texts.all_codes, born_in)),
        "birth_place": place,
        "birth_registration_province_code": _chosen(texts.all_provinces, born_in),
        "birth_registration_commune_code": birth_commune,
        "home_town": _chosen(texts.now, block.home_commune),
        "home_town_province_code": _chosen(texts.provinces, block.home_commune),
        "ethnicity_code": _digits(block.group, 2),
        "nationality": ["VN"] * len(block),
        "permanent_province_code": _chosen(texts.provinces, block.commune),
        "permanent_commune_code": permanent,
        "permanent_address": [f"Số {n} {STREET}" for n in block.house.tolist()],
        "permanent_since": _dates(block.residence_since),
        "residence_file_number": [f"{FILE_PREFIX}{p}{h}" for p, h in zip(permanent, household, strict=True)],
        "marital_status": _chosen(list(_MARITAL), people.marital),
        "household_number": _where(alive, [f"{FILE_PREFIX}{h}" for h in household]),
        "relation_to_head": _chosen([_RELATIONS[k] for k in sorted(_RELATIONS)], people.relation),
        "life_status": ["ALIVE" if a else "DECEASED" for a in alive.tolist()],
        "death_or_missing_date": _where(~alive, _dates(np.maximum(people.died, 0))),
        "phone": _where(adult, [PHONE_PREFIX + d for d in _digits(phone, 7)]),
        "mother_personal_id": _linked(number, people.mother),
        "father_personal_id": _linked(number, people.father),
        "spouse_personal_id": _linked(number, people.spouse),
    }


HEADER = ",".join(COLUMNS) + "\n"


def text(block: Block, texts: Texts) -> str:
    """Return the lines of a block."""
    filled = columns(block, texts)
    unknown = set(filled) - set(COLUMNS)
    if unknown:
        raise ValueError(f"the layout has no columns {', '.join(sorted(unknown))}")
    empty = [""] * len(block)
    ordered = [filled.get(name, empty) for name in COLUMNS]
    return "\n".join(map(",".join, zip(*ordered, strict=True))) + "\n"


def lines(people: int, *, seed: int, report: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """Yield the file in pieces: the header, then a text of many lines per block."""
    yield HEADER
    texts = Texts()
    done = 0
    for block in blocks(people, seed=seed):
        yield text(block, texts)
        done += len(block)
        report(done)
