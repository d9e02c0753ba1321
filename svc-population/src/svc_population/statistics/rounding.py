"""What of a count is told: pure rules of disclosure control by rounding the smallest cells (ADR 34).

The smallest cell is people of one commune, sex and birth year. Its number is rounded to a multiple of the
base, up or down by an offset that is the cell's own for ever and secret; every table of every day is a sum of
rounded cells. So tables add up, an answer never differs from an earlier one of the same day, and no
comparison of tables tells more than the rounded cells do: each of these stands for several numbers.

Over all offsets the expected error of a number is zero; five neighbouring birth years have five different
offsets, so that errors of age groups nearly cancel out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import blake2b
from math import factorial
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from svc_population.dated_rules import DatedRules
from svc_population.personal_ids.errors import PersonalIdKeyMissing

_USE = b"ndx-population statistics rounding/1"
Told = Callable[[str, str, int, int], int]
"""(commune, sex, birth year, number) to the number that is told."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds in force from a day on; `least_count` is also the base of rounding."""

    effective_from: date
    least_count: int
    age_group_years: int
    oldest_group: int


bounds_on = DatedRules(__package__, Bounds).on
"""Returns the bounds of a day."""


def age_group(birth_year: int, year: int, bounds: Bounds) -> int:
    """Return the first year of age of the group; age is what is reached within the year."""
    age = max(0, year - birth_year)
    return min(age - age % bounds.age_group_years, bounds.oldest_group)


def exact(_commune: str, _sex: str, _birth_year: int, n: int) -> int:
    """Tell the number as it is: for the operators of the register."""
    return n


class Rounding:
    """Rounds cells by offsets that follow from a secret and the cell."""

    def __init__(self, secret: bytes, *, base: int) -> None:
        self._base = base
        self._key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_USE).derive(secret)
        self._orders: dict[tuple[str, str, int], list[int]] = {}

    def __call__(self, commune: str, sex: str, birth_year: int, n: int) -> int:
        """Return the multiple of the base that is told of a cell."""
        return n_told(n, offset=self.offset(commune, sex, birth_year), base=self._base)

    def offset(self, commune: str, sex: str, birth_year: int) -> int:
        """Return the cell's offset; in each block of as many birth years as the base has, each one once."""
        block, place = divmod(birth_year, self._base)
        cell = (commune, sex, block)
        order = self._orders.get(cell)
        if order is None:
            order = self._orders[cell] = self._order(cell)
        return order[place]

    def _order(self, cell: tuple[str, str, int]) -> list[int]:
        digest = blake2b("\n".join(map(str, cell)).encode(), key=self._key, digest_size=16).digest()
        number = int.from_bytes(digest, "big") % factorial(self._base)
        rest, order = list(range(self._base)), []
        for size in range(self._base, 0, -1):
            number, place = divmod(number, size)
            order.append(rest.pop(place))
        return order


def n_told(n: int, *, offset: int, base: int) -> int:
    """Return the multiple of the base for a number: `base` neighbouring numbers have the same one."""
    return (n + offset) // base * base


@cache
def _of_file(key_file: Path, base: int) -> Rounding:
    return Rounding(key_file.read_bytes(), base=base)


def rounding(key_file: Path | None, *, base: int) -> Rounding:
    """Return the rounding under the service's secret; the same secret for ever, see ADR 34.

    Raises:
        PersonalIdKeyMissing: the secret cannot be read.
    """
    if key_file is None:
        raise PersonalIdKeyMissing("POPULATION_PERSONAL_ID_KEY_FILE is not set.", retry_after=30)
    try:
        return _of_file(key_file, base)
    except OSError:
        raise PersonalIdKeyMissing(retry_after=30) from None
