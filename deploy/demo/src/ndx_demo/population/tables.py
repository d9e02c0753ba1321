"""Reads the packaged tables of names, groups and places into arrays that whole blocks of people index."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ndx_demo.population.pyramid import FEMALE, MALE, Floats

Ints = NDArray[np.int64]
Rows = list[dict[str, str]]

COHORTS = ("BEFORE_1975", "1975_1999", "FROM_2000")
PATTERNS = ("SURNAME+SINGLE", "SURNAME+MIDDLE+SINGLE", "SURNAME+COMPOUND", "SURNAME+MIDDLE+COMPOUND")
GROUPS = 54
SEXES = {"M": MALE, "F": FEMALE}
HOME_SHARE = 0.85
"""Part of a minority's people who live in the provinces of its homeland; our estimate."""


def rows(name: str) -> Rows:
    """Return a packaged table; a value that would need quoting in the output is refused here."""
    text = files(__package__).joinpath("data", f"{name}.csv").read_text("utf-8")
    table = list(csv.DictReader(text.splitlines()))
    if any('"' in v or "," in v for row in table for v in row.values()):
        raise ValueError(f"{name}.csv has a value with a comma or a quotation mark")
    return table


def cumulative(weights: Floats) -> Floats:
    """Return the running share of the weights, ending with exactly 1."""
    total: Floats = np.cumsum(weights) / weights.sum()
    total[-1] = 1.0
    return total


@dataclass(frozen=True, slots=True)
class Draw:
    """Values with a probability each; `pick` draws as many as wanted."""

    values: Ints
    shares: Floats

    def pick(self, rng: np.random.Generator, size: int) -> Ints:
        return self.values[np.searchsorted(self.shares, rng.random(size), side="right")]


def _draw(values: list[int], weights: list[float]) -> Draw:
    kept = [(v, w) for v, w in zip(values, weights, strict=True) if w > 0]
    return Draw(np.array([v for v, _ in kept]), cumulative(np.array([w for _, w in kept])))


class Vocabulary:
    """Gives each text a number, so that names are compared and inherited as integers; 0 is the empty text."""

    def __init__(self) -> None:
        self.words: list[str] = [""]
        self._known: dict[str, int] = {"": 0}

    def number(self, word: str) -> int:
        if word not in self._known:
            self._known[word] = len(self.words)
            self.words.append(word)
        return self._known[word]


@dataclass(frozen=True, slots=True)
class Names:
    """Draws of name parts, keyed by sex and cohort or by ethnic group and sex.

    A given name is a row of `given`: its first word (0 for a single name) and its last word.
    """

    vocabulary: Vocabulary
    surnames: dict[tuple[int, int], Draw]
    middle: dict[tuple[int, int], Draw]
    single: dict[tuple[int, int], Draw]
    compound: dict[tuple[int, int], Draw]
    patterns: dict[tuple[int, int], Draw]
    given: Ints


def _surnames(words: Vocabulary) -> dict[tuple[int, int], Draw]:
    common = rows("surnames")
    majority = _draw([words.number(r["name"]) for r in common], [float(r["share"]) for r in common])
    found = {(group, sex): majority for group in range(1, GROUPS + 1) for sex in (MALE, FEMALE)}
    own: dict[int, Rows] = {}
    for row in rows("surnames_by_ethnic_group"):
        own.setdefault(int(row["ethnic_code"]), []).append(row)
    for group, table in own.items():
        numbers = [words.number(r["name"]) for r in table]
        found[group, MALE] = _draw(numbers, [float(r["share_male"]) for r in table])
        found[group, FEMALE] = _draw(numbers, [float(r["share_female"]) for r in table])
    return found


@lru_cache(maxsize=1)
def names() -> Names:
    """Return the name tables."""
    words = Vocabulary()
    surnames = _surnames(words)
    keys = [(s, c, SEXES[s], n) for s in SEXES for n, c in enumerate(COHORTS)]
    middle_rows, given_rows, pattern_rows = rows("middle_names"), rows("given_names"), rows("name_patterns")
    given: list[tuple[int, int]] = []
    for row in given_rows:
        first, _, last = row["name"].rpartition(" ")
        given.append((words.number(first), words.number(last)))
    middle: dict[tuple[int, int], Draw] = {}
    single: dict[tuple[int, int], Draw] = {}
    compound: dict[tuple[int, int], Draw] = {}
    patterns: dict[tuple[int, int], Draw] = {}
    for letter, cohort, sex, number in keys:
        weight = f"weight_{cohort.lower()}"
        of_sex = [r for r in middle_rows if r["sex"] == letter]
        middle[sex, number] = _draw(
            [words.number(r["name"]) for r in of_sex], [float(r[weight]) for r in of_sex]
        )
        for form, target in (("SINGLE", single), ("COMPOUND", compound)):
            chosen = [i for i, r in enumerate(given_rows) if r["sex"] == letter and r["form"] == form]
            target[sex, number] = _draw(chosen, [float(given_rows[i][weight]) for i in chosen])
        of_key = [r for r in pattern_rows if (r["sex"], r["cohort"]) == (letter, cohort)]
        patterns[sex, number] = _draw(
            [PATTERNS.index(r["pattern"]) for r in of_key], [float(r["probability"]) for r in of_key]
        )
    return Names(words, surnames, middle, single, compound, patterns, np.array(given))


@dataclass(frozen=True, slots=True)
class Places:
    """The communes of today, ordered by province, and the former communes that each was made of."""

    codes: list[str]
    names: list[str]
    province_codes: list[str]
    province_names: list[str]
    province: Ints
    """Index of the province of each commune."""
    shares: Floats
    """Running share of people over all communes, province by province."""
    province_start: Floats
    province_share: Floats
    groups: Floats
    """Shape (provinces, 54): running share of each ethnic group in a province."""
    old_codes: list[str]
    old_names: list[str]
    old_province_codes: list[str]
    old_province_names: list[str]
    old_first: Ints
    old_count: Ints
    """Former communes of a commune: `old_count` of them from `old_first` on."""

    def anywhere(self, rng: np.random.Generator, size: int) -> Ints:
        """Draw communes of the whole country by weight."""
        return np.searchsorted(self.shares, rng.random(size), side="right")

    def within(self, rng: np.random.Generator, provinces: Ints) -> Ints:
        """Draw a commune within each given province by weight."""
        wanted = self.province_start[provinces] + rng.random(len(provinces)) * self.province_share[provinces]
        found = np.searchsorted(self.shares, wanted, side="right")
        return np.minimum(found, len(self.codes) - 1)

    def former(self, rng: np.random.Generator, communes: Ints) -> Ints:
        """Draw one of the former communes of each given commune."""
        return self.old_first[communes] + (rng.random(len(communes)) * self.old_count[communes]).astype(
            np.int64
        )

    def group(self, rng: np.random.Generator, provinces: Ints) -> Ints:
        """Draw the ethnic group (1 to 54) of a household in each given province."""
        drawn = rng.random(len(provinces))[:, None]
        found: Ints = (drawn >= self.groups[provinces]).sum(axis=1) + 1
        return np.minimum(found, GROUPS)


def _groups(codes: list[str], share: Floats) -> Floats:
    homes = {int(r["ethnic_code"]): r["provinces"].split() for r in rows("homelands")}
    table = np.zeros((len(codes), GROUPS))
    for row in rows("ethnic_groups")[1:]:
        number = int(row["code"])
        at_home = np.array([code in homes[number] for code in codes])
        spread = HOME_SHARE * at_home * share / (at_home * share).sum() + (1 - HOME_SHARE) * share
        table[:, number - 1] = float(row["share_2019"]) * spread / share
    crowded = table.sum(axis=1) > 0.95  # noqa: PLR2004 - no province is without the majority
    table[crowded] *= (0.95 / table[crowded].sum(axis=1))[:, None]
    table[:, 0] = 1 - table.sum(axis=1)
    return np.cumsum(table, axis=1)


@lru_cache(maxsize=1)
def matrilineal() -> NDArray[np.bool_]:
    """Return, by number of the group, whether children take the mother's family name and group."""
    found = np.zeros(GROUPS + 1, dtype=np.bool_)
    for row in rows("homelands"):
        found[int(row["ethnic_code"])] = row["matrilineal"] == "1"
    return found


def _former(communes: Rows) -> tuple[Rows, Ints, Ints]:
    by_new: dict[str, Rows] = {}
    for row in rows("old_communes"):
        by_new.setdefault(row["new_code"], []).append(row)
    # Islands had no communes: their people were registered in the first commune of the province.
    first_of: dict[str, int] = {}
    table: Rows = []
    first = np.zeros(len(communes), dtype=np.int64)
    count = np.zeros(len(communes), dtype=np.int64)
    for i, row in enumerate(communes):
        own = by_new.get(row["code"], [])
        if own:
            first_of.setdefault(row["province_code"], i)
            first[i], count[i] = len(table), len(own)
            table += own
    for i in np.flatnonzero(count == 0).tolist():
        stand_in = first_of[communes[i]["province_code"]]
        first[i], count[i] = first[stand_in], count[stand_in]
    return table, first, count


@lru_cache(maxsize=1)
def places() -> Places:
    """Return communes and provinces."""
    provinces = rows("provinces")
    index = {r["code"]: i for i, r in enumerate(provinces)}
    communes = sorted(rows("communes"), key=lambda r: (index[r["province_code"]], r["code"]))
    province = np.array([index[r["province_code"]] for r in communes])
    weights = np.array([float(r["weight"]) for r in communes])
    share = np.bincount(province, weights) / weights.sum()
    former, first, count = _former(communes)
    old_names = {r["code"]: r["full_name"] for r in rows("old_provinces")}
    return Places(
        codes=[r["code"] for r in communes],
        names=[r["full_name"] for r in communes],
        province_codes=[r["code"] for r in provinces],
        province_names=[r["full_name"] for r in provinces],
        province=province,
        shares=cumulative(weights),
        province_start=np.cumsum(share) - share,
        province_share=share,
        groups=_groups([r["code"] for r in provinces], share),
        old_codes=[r["code"] for r in former],
        old_names=[r["full_name"] for r in former],
        old_province_codes=[r["province_code"] for r in former],
        old_province_names=[old_names[r["province_code"]] for r in former],
        old_first=first,
        old_count=count,
    )
