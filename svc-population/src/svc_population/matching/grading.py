"""Is this record that person's? Evidence is weighed as odds (Fellegi and Sunter), and three zones come out.

Each agreement carries the decimal logarithm of how much more often it holds between records of one person
than between two strangers: equal birth dates 4.4 (strangers share one of 27,000 days), names 3.8, the old
number of nine digits 8, a commune 3.3 (of 3,321), a province 1.4, the sex 0.3. Two strangers start at -8, as
there are a hundred million. The weights follow from figures of the country and were not trained on anybody.

SURE needs a probability of 0.99, nobody else above 0.5, no contradiction in sex or place, and more than a
name with a birth date: 3,600 people share each date, so namesakes born on one day are certain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from svc_population.matching.birth_dates import DateAgreement, PartialDate
from svc_population.matching.name_folding import NameAgreement, agreement

_STRANGERS = -8.0
_NAME = {
    NameAgreement.SAME: 3.8,
    NameAgreement.VARIANT: 3.6,
    NameAgreement.MIDDLE_MISSING: 2.8,
    NameAgreement.UNACCENTED: 2.6,
    NameAgreement.REORDERED: 3.0,
    NameAgreement.UNACCENTED_MIDDLE_MISSING: 1.6,
    NameAgreement.GIVEN_NAME_ONLY: -0.5,
    NameAgreement.DIFFERENT: -3.0,
}
_BIRTH_DATE = {
    DateAgreement.EXACT: 4.4,
    DateAgreement.PARTIAL: 1.8,
    DateAgreement.SWAPPED: 2.6,
    DateAgreement.NEAR_YEAR: 2.0,
    DateAgreement.DIFFERENT: -2.5,
}
_PERSONAL_ID = (10.0, -4.0)
_LEGACY_ID_NUMBER = (8.0, -3.0)
_SEX = (0.3, -3.0)
_COMMUNE = (3.3, -0.3)
_PROVINCE = (1.4, -0.7)
_HOME_TOWN = (1.4, -1.0)
_SURE, _LIKELY = 0.99, 0.5
_GOOD_NAME = NameAgreement.MIDDLE_MISSING


class MatchZone(StrEnum):
    """SURE = this person; REVIEW = somebody has to look; NO = nobody is likely enough."""

    SURE = "SURE"
    REVIEW = "REVIEW"
    NO = "NO"


class Reason(StrEnum):
    """Why a match is not sure."""

    NOBODY_LIKE_THIS = "nobody-like-this"
    SEVERAL_ALIKE = "several-alike"
    TOO_MANY_ALIKE = "too-many-alike"
    NAME_AND_BIRTH_DATE_ALONE = "name-and-birth-date-alone"
    NAME_DIFFERS = "name-differs"
    BIRTH_DATE_DIFFERS = "birth-date-differs"
    BIRTH_DATE_PARTIAL = "birth-date-partial"
    SEX_DIFFERS = "sex-differs"
    PLACE_DIFFERS = "place-differs"
    NUMBER_DIFFERS = "number-differs"
    EVIDENCE_WEAK = "evidence-weak"


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a record of an agency says about somebody."""

    name: str
    birth_date: PartialDate
    personal_id: str | None = None
    """The number of today that the stated one leads to, or the stated one when it leads to nobody."""
    sex: str | None = None
    legacy_id_number: str | None = None
    province_code: str | None = None
    commune_code: str | None = None
    home_town_province_code: str | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """One candidate: how probable, and what speaks against or is missing."""

    personal_id: str
    probability: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The zone; the person when sure; whom it was about (for the record of disclosure), and why not sure."""

    zone: MatchZone
    personal_id: str | None
    about: tuple[str, ...]
    reasons: tuple[Reason, ...]
    holders: tuple[str, ...] = ()
    """Who has a number that the record states."""
    searched: bool = False
    """People of the name and birth date were looked for, as no number of today led to somebody."""


def weigh(claimed: Claimed, row: Mapping[str, Any]) -> Weighed:
    """Compare a record with a person's row."""
    stored = " ".join(p for p in (row["surname"], row["middle_name"], row["given_name"]) if p)
    name = agreement(claimed.name, stored)
    born = claimed.birth_date.agreement(row["birth_date"])
    total = _STRANGERS + _NAME[name] + _BIRTH_DATE[born]
    against: list[Reason] = []
    if name < _GOOD_NAME:
        against.append(Reason.NAME_DIFFERS)
    if born is DateAgreement.PARTIAL:
        against.append(Reason.BIRTH_DATE_PARTIAL)
    elif born is not DateAgreement.EXACT:
        against.append(Reason.BIRTH_DATE_DIFFERS)
    beyond = 0.0
    for stated, known, (yes, no), reason in (
        (claimed.personal_id, row["personal_id"], _PERSONAL_ID, Reason.NUMBER_DIFFERS),
        (claimed.legacy_id_number, row["legacy_id_number"], _LEGACY_ID_NUMBER, Reason.NUMBER_DIFFERS),
        (claimed.sex, row["sex"], _SEX, Reason.SEX_DIFFERS),
        (claimed.home_town_province_code, row["home_town_province_code"], _HOME_TOWN, Reason.PLACE_DIFFERS),
    ):
        if stated is not None and known is not None:
            total += yes if stated == known else no
            beyond += yes if stated == known and reason is not Reason.SEX_DIFFERS else 0
            if stated != known:
                against.append(reason)
    lives, place_against = _place(claimed, row)
    total += lives
    beyond += max(lives, 0.0)
    against += place_against
    if not beyond:
        against.append(Reason.NAME_AND_BIRTH_DATE_ALONE)
    odds = 10.0**total
    return Weighed(row["personal_id"], odds / (1 + odds), tuple(against))


def _place(claimed: Claimed, row: Mapping[str, Any]) -> tuple[float, list[Reason]]:
    """Weigh the places where the person lives, lived or was registered; people move, so it tells little."""
    communes = {
        row[f"{kind}_commune_code"] for kind in ("permanent", "temporary", "current", "birth_registration")
    }
    provinces = {
        row[f"{kind}_province_code"] for kind in ("permanent", "temporary", "current", "birth_registration")
    }
    if claimed.commune_code is not None and claimed.commune_code in communes:
        return _COMMUNE[0], []
    if claimed.province_code is not None and provinces - {None}:
        if claimed.province_code in provinces:
            return _PROVINCE[0], []
        return _PROVINCE[1], [Reason.PLACE_DIFFERS]
    if claimed.commune_code is not None and communes - {None}:
        return _COMMUNE[1], [Reason.PLACE_DIFFERS]
    return 0.0, []


def judge(candidates: Sequence[Weighed], *, too_many: bool = False) -> Verdict:
    """Return the verdict on all candidates together; `too_many` says that not all could be looked at."""
    ranked = sorted(candidates, key=lambda c: (-c.probability, c.personal_id))
    likely = [c for c in ranked if c.probability >= _LIKELY]
    if too_many:
        about = tuple(c.personal_id for c in likely[:1])
        return Verdict(MatchZone.REVIEW, None, about, (Reason.TOO_MANY_ALIKE,))
    if not likely:
        return Verdict(MatchZone.NO, None, (), (Reason.NOBODY_LIKE_THIS,))
    first = likely[0]
    if len(likely) > 1:
        return Verdict(MatchZone.REVIEW, None, tuple(c.personal_id for c in likely), (Reason.SEVERAL_ALIKE,))
    if first.probability >= _SURE and not first.reasons:
        return Verdict(MatchZone.SURE, first.personal_id, (first.personal_id,), ())
    reasons = first.reasons or (Reason.EVIDENCE_WEAK,)
    return Verdict(MatchZone.REVIEW, None, (first.personal_id,), reasons)
