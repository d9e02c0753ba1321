"""The grammar of the old 15-character health insurance card code and of the social-insurance number."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

SOCIAL_INSURANCE_NUMBER_PATTERN = r"^[0-9]{10}$"
_CODE = re.compile(r"([A-Z]{2})([0-9])([0-9]{2})([0-9]{10})")


class Fault(StrEnum):
    """The first part of a card code that cannot be right."""

    SHAPE = "SHAPE"
    BENEFIT_LEVEL = "BENEFIT_LEVEL"
    PROVINCE = "PROVINCE"


class CardCodeFaulty(ValueError):
    """A card code that no office can have issued; `fault` names the part."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"card code: {fault.value}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class CardCode:
    """Two letters of the participant group, one digit benefit level 1 to 5, province, ten digits."""

    participant_group: str
    benefit_level: int
    province_code: str
    social_insurance_number: str

    def __str__(self) -> str:
        return (
            f"{self.participant_group}{self.benefit_level}{self.province_code}{self.social_insurance_number}"
        )


@cache
def _provinces() -> frozenset[str]:
    document = json.loads(files(__package__).joinpath("card_provinces.json").read_text(encoding="utf-8"))
    return frozenset(document["codes"])


def parse_card_code(text: str) -> CardCode:
    """Read a card code as printed or typed: case and blanks do not matter.

    Raises:
        CardCodeFaulty: with the part that is wrong (result codes 051, 053 and 052).
    """
    found = _CODE.fullmatch("".join(text.split()).upper())
    if found is None:
        raise CardCodeFaulty(Fault.SHAPE)
    group, level, province, number = found.groups()
    if level not in "12345":
        raise CardCodeFaulty(Fault.BENEFIT_LEVEL)
    if province not in _provinces():
        raise CardCodeFaulty(Fault.PROVINCE)
    return CardCode(group, int(level), province, number)
