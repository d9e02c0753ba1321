"""Adds second records of some people to a file of synthetic people, and people who only look like others.

Each pair is known with what was done to it, so a search for duplicates can be measured. Numbers of added
records begin with 099, a code that no province ever had. People born before 2000 get a 9-digit number of
the old identity card here: adults have hardly anything else that stays the same.
"""

import csv
import io
import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ndx_contracts.names import same_name
from svc_population.imports.layout import COLUMNS

from ndx_demo.population.tables import places, rows

Row = dict[str, str]
ADDED_PREFIX = "099"
OLD_CARDS_UNTIL = 2000
OLD_CARDS = 0.6
"""Share of them whose old number is known."""
NO_PARENT, NO_PHONE, NO_OLD_CARD = 0.2, 0.3, 0.4
"""How often a second record leaves out what the first one says."""
_TONES = "\u0300\u0301\u0303\u0309\u0323"


class Kind(StrEnum):
    """What was done to a second record of one person, or how two people look alike."""

    IDENTICAL = "IDENTICAL"
    TYPO = "TYPO"
    TONE = "TONE"
    MIDDLE_MISSING = "MIDDLE_MISSING"
    DATE_SWAPPED = "DATE_SWAPPED"
    DATE_DIGIT = "DATE_DIGIT"
    YEAR_ONLY = "YEAR_ONLY"
    MOVED = "MOVED"
    MARRIED_IN = "MARRIED_IN"
    TWO_FAULTS = "TWO_FAULTS"
    TWIN = "TWIN"
    TWIN_ALIKE = "TWIN_ALIKE"
    """A twin whose given name differs by one tone."""
    STRANGER = "STRANGER"
    """Another person of the same name, sex and birth date."""
    NEIGHBOUR = "NEIGHBOUR"
    """The same in the same commune."""

    @property
    def is_one_person(self) -> bool:
        return self not in {Kind.TWIN, Kind.TWIN_ALIKE, Kind.STRANGER, Kind.NEIGHBOUR}


@dataclass(frozen=True, slots=True)
class Truth:
    """A pair of records and what it is."""

    original: str
    added: str
    kind: Kind


def with_duplicates(texts: Iterator[str], *, seed: int, share: float, truth: list[Truth]) -> Iterator[str]:
    """Yield the file with added records behind each block; `truth` gets a row for each of them."""
    chance = random.Random(seed)  # noqa: S311 - synthetic people
    yield next(texts)
    for text in texts:
        people = list(csv.DictReader(io.StringIO(text), fieldnames=COLUMNS))
        added = []
        for person in people:
            year = int(person["birth_date"][:4])
            if year < OLD_CARDS_UNTIL and chance.random() < OLD_CARDS:
                person["legacy_id_number"] = f"{chance.randrange(10**9):09}"
            if chance.random() < share:
                kind = chance.choice(list(Kind))
                second = _second(chance, person, kind)
                if second is not None:
                    number = f"{ADDED_PREFIX}{person['personal_id'][3:6]}{len(truth):06}"
                    added.append({**second, "personal_id": number})
                    truth.append(Truth(person["personal_id"], number, kind))
        sink = io.StringIO()
        csv.DictWriter(sink, COLUMNS, lineterminator="\n").writerows([*people, *added])
        yield sink.getvalue()


def _second(chance: random.Random, person: Row, kind: Kind) -> Row | None:
    if not kind.is_one_person:
        return _alike(chance, person, kind)
    # A second registration knows less: who moved in brings no household, parents are not always asked.
    second = {
        **person,
        "household_number": "",
        "relation_to_head": "",
        "spouse_personal_id": "",
        "residence_file_number": "",
    }
    for parent in ("mother_personal_id", "father_personal_id"):
        if chance.random() < NO_PARENT:
            second[parent] = ""
    if chance.random() < NO_PHONE:
        second["phone"] = ""
    if chance.random() < NO_OLD_CARD:
        second["legacy_id_number"] = ""
    faults = [kind]
    if kind is Kind.TWO_FAULTS:
        faults = chance.sample(list(_FAULTS), 2)
    for fault in faults:
        if fault is not Kind.IDENTICAL and not _FAULTS[fault](chance, second):
            return None
    return second


def _alike(chance: random.Random, person: Row, kind: Kind) -> Row | None:
    other = {**person, "spouse_personal_id": "", "legacy_id_number": "", "phone": "", "relation_to_head": ""}
    if kind in {Kind.TWIN, Kind.TWIN_ALIKE}:
        given = (
            _other_tone(chance, person["given_name"])
            if kind is Kind.TWIN_ALIKE
            else chance.choice(rows("given_names"))["name"].split()[-1]
        )
        other["given_name"] = given
        return None if same_name(given, person["given_name"]) or not person["mother_personal_id"] else other
    table = places()
    other.update(
        mother_personal_id="",
        father_personal_id="",
        household_number="",
        residence_file_number="",
        mother_name=_name_of_somebody(chance),
        father_name=_name_of_somebody(chance),
    )
    if int(person["birth_date"][:4]) < OLD_CARDS_UNTIL:
        other["legacy_id_number"] = f"{chance.randrange(10**9):09}"
    if kind is Kind.STRANGER:
        _move(chance, other)
        born = chance.randrange(len(table.old_codes))
        other["birth_registration_commune_code"] = other["birth_place_code"] = table.old_codes[born]
        other["birth_registration_province_code"] = table.old_province_codes[born]
    return other


def _name_of_somebody(chance: random.Random) -> str:
    return " ".join(
        chance.choice(rows(table))["name"] for table in ("surnames", "middle_names", "given_names")
    )


def _typo(chance: random.Random, row: Row) -> bool:
    part = chance.choice([p for p in ("middle_name", "given_name") if row[p]])
    word = row[part]
    at = chance.randrange(len(word))
    letter = chance.choice("aehimnotu")
    changed = chance.choice(
        (word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :])
    )
    row[part] = " ".join(changed.split()) or word + letter
    return row[part] != word


def _tone(chance: random.Random, row: Row) -> bool:
    changed = _other_tone(chance, row["given_name"])
    was, row["given_name"] = row["given_name"], changed
    return not same_name(changed, was)


def _other_tone(chance: random.Random, word: str) -> str:
    letters = unicodedata.normalize("NFD", word)
    bare = "".join(c for c in letters if c not in _TONES)
    vowels = [i for i, c in enumerate(bare) if c.lower() in "aeiouy"]
    if not vowels:
        return word
    # The mark stands behind the letter and its circumflex, breve or horn.
    at = vowels[-1] + 1
    while at < len(bare) and unicodedata.combining(bare[at]):
        at += 1
    return unicodedata.normalize("NFC", bare[:at] + chance.choice(["", *_TONES]) + bare[at:])


def _middle_missing(_: random.Random, row: Row) -> bool:
    had, row["middle_name"] = row["middle_name"], ""
    return bool(had)


def _swapped(_: random.Random, row: Row) -> bool:
    year, month, day = row["birth_date"].split("-")
    row["birth_date"] = f"{year}-{day}-{month}"
    return int(day) <= 12 and day != month  # noqa: PLR2004 - months


def _digit(chance: random.Random, row: Row) -> bool:
    was = row["birth_date"]
    at = chance.choice((3, 6, 8, 9))
    changed = was[:at] + str(chance.randrange(10)) + was[at + 1 :]
    try:
        date.fromisoformat(changed)
    except ValueError:
        return False
    row["birth_date"] = changed
    return changed != was and changed < "2026-10-01"


def _year_only(_: random.Random, row: Row) -> bool:
    was = row["birth_date"]
    row["birth_date"] = f"{was[:4]}-01-01"
    return was != row["birth_date"]


def _move(chance: random.Random, row: Row) -> bool:
    table = places()
    home = chance.randrange(len(table.codes))
    province = table.province_codes[int(table.province[home])]
    moved = row["permanent_commune_code"] != table.codes[home]
    row.update(permanent_commune_code=table.codes[home], permanent_province_code=province, permanent_since="")
    return moved


def _marry_in(chance: random.Random, row: Row) -> bool:
    row.update(phone="", marital_status="MARRIED")
    return _move(chance, row)


_FAULTS: dict[Kind, Callable[[random.Random, Row], bool]] = {
    Kind.TYPO: _typo,
    Kind.TONE: _tone,
    Kind.MIDDLE_MISSING: _middle_missing,
    Kind.DATE_SWAPPED: _swapped,
    Kind.DATE_DIGIT: _digit,
    Kind.YEAR_ONLY: _year_only,
    Kind.MOVED: _move,
    Kind.MARRIED_IN: _marry_in,
}
