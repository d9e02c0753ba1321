"""The grammar of the 12-digit personal number: `PPP G YY RRRRRR`.

PPP is the place of birth registration, G stands for century and sex, YY for the birth year, RRRRRR is random
(Decree 137/2015, article 13; Circular 59/2021, article 4). There is no check digit. The table of places is
data with dates (`provinces.csv`): seven codes name another province since 1 July 2025, so a place is decoded
with the table of the day of allocation, and never shown as somebody's place of birth.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import resources

from ndx_contracts.population import Sex

FIRST_YEAR = 1900
LAST_YEAR = 2399
SERIALS = 1_000_000
"""How many numbers one prefix holds."""
_SHAPE = re.compile(r"[0-9]{12}")


class Fault(StrEnum):
    """Why a number does not fit its holder ("sai cấu trúc"): a fault of the data, to be worked on."""

    SHAPE = "SHAPE"
    PLACE_UNKNOWN = "PLACE_UNKNOWN"
    SEX_DIFFERS = "SEX_DIFFERS"
    BIRTH_YEAR_DIFFERS = "BIRTH_YEAR_DIFFERS"


@dataclass(frozen=True, slots=True)
class Place:
    """A place code in a period; both ends are included, None is open."""

    code: str
    name: str
    province_code: str
    valid_from: date | None
    valid_to: date | None

    def valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


@dataclass(frozen=True, slots=True)
class PersonalNumber:
    """The parts of a number."""

    place_code: str
    sex: Sex
    birth_year: int
    serial: int

    def __str__(self) -> str:
        return f"{prefix(self.place_code, self.sex, self.birth_year)}{self.serial:06d}"


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


@cache
def places() -> tuple[Place, ...]:
    """Return the table of places: Circular 07/2016, annex I, and the provinces since 1 July 2025.

    Which table numbers births after that day is not published; the newer list is used, by its dates.
    """
    text = resources.files(__package__).joinpath("provinces.csv").read_text(encoding="utf-8")
    return tuple(
        Place(
            code=row["place_code"],
            name=row["name"],
            province_code=row["province_code"],
            valid_from=_day(row["valid_from"]),
            valid_to=_day(row["valid_to"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


@cache
def known_place_codes() -> frozenset[str]:
    """Return every code that was ever in the table."""
    return frozenset(p.code for p in places())


def place_of(place_code: str, day: date) -> Place | None:
    """Decode a place code with the table of a day."""
    return next((p for p in places() if p.code == place_code and p.valid_on(day)), None)


def place_code_of(province_code: str, day: date) -> str | None:
    """Return the place code for numbers allocated on a day to births registered in a province."""
    return next((p.code for p in places() if p.province_code == province_code and p.valid_on(day)), None)


def prefix(place_code: str, sex: Sex, birth_year: int) -> str:
    """Return the first six digits.

    Raises:
        ValueError: the place code is not three digits, or the year has no century digit.
    """
    if not re.fullmatch(r"[0-9]{3}", place_code):
        raise ValueError("a place code has three digits")
    if not FIRST_YEAR <= birth_year <= LAST_YEAR:
        raise ValueError(f"numbers exist for birth years {FIRST_YEAR} to {LAST_YEAR}")
    century_and_sex = 2 * (birth_year // 100 - 19) + (1 if sex is Sex.FEMALE else 0)
    return f"{place_code}{century_and_sex}{birth_year % 100:02d}"


def parse(personal_id: str) -> PersonalNumber:
    """Take a number apart.

    Raises:
        ValueError: it is not twelve digits.
    """
    if not _SHAPE.fullmatch(personal_id):
        raise ValueError("a personal number has twelve digits")
    digit = int(personal_id[3])
    return PersonalNumber(
        place_code=personal_id[:3],
        sex=Sex.FEMALE if digit % 2 else Sex.MALE,
        birth_year=FIRST_YEAR + 100 * (digit // 2) + int(personal_id[4:6]),
        serial=int(personal_id[6:]),
    )


def faults(
    personal_id: str,
    *,
    birth_year: int | None = None,
    sex: Sex | None = None,
    allocated_on: date | None = None,
) -> tuple[Fault, ...]:
    """Return what is wrong with a number, compared with what is known of its holder."""
    if not _SHAPE.fullmatch(personal_id):
        return (Fault.SHAPE,)
    return tuple(_faults(parse(personal_id), birth_year, sex, allocated_on))


def _faults(
    number: PersonalNumber, birth_year: int | None, sex: Sex | None, allocated_on: date | None
) -> Iterable[Fault]:
    known = (
        number.place_code in known_place_codes()
        if allocated_on is None
        else place_of(number.place_code, allocated_on) is not None
    )
    if not known:
        yield Fault.PLACE_UNKNOWN
    if sex is not None and sex is not number.sex:
        yield Fault.SEX_DIFFERS
    if birth_year is not None and birth_year != number.birth_year:
        yield Fault.BIRTH_YEAR_DIFFERS
