"""Administrative units as they are asked for and answered."""

from datetime import date
from typing import Annotated, Literal

from ndx_contracts.bodies import Input, Output
from pydantic import Field, StringConstraints

from svc_population.admin_units.succession import Extent, Outcome

Level = Literal["PROVINCE", "DISTRICT", "COMMUNE"]
UnitCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2,5}$")]
MOST_TRANSLATIONS = 1000


class AdminUnitOut(Output):
    """`type` is the word of the list: tỉnh, thành phố, xã, phường, thị trấn, đặc khu."""

    code: str
    name: str
    type: str
    full_name: str
    valid_from: date | None
    valid_to: date | None


class AdminUnitsOut(Output):
    """A whole list: it is short enough for one page."""

    items: tuple[AdminUnitOut, ...]
    next_cursor: None = None


class PeriodOut(AdminUnitOut):
    """A code in one of its periods; the same code may have named another unit before July 2025."""

    level: Level
    parent_code: str | None


class AdminUnitDetailOut(PeriodOut):
    """A unit on a day with the units above it, nearest first, and every period of its code."""

    above: tuple[AdminUnitOut, ...]
    periods: tuple[PeriodOut, ...]


class SuccessorOut(Output):
    """A unit that holds (part of) an older one; one of them is the default.

    `extent`: WHOLE = all people of the older unit, PART = some of them, LAND = land where nobody of it lives.
    `relation` is the word of the code list. The default is the list's own choice, not law.
    """

    level: Level
    code: str
    full_name: str
    relation: str
    extent: Extent
    is_default: bool
    effective_from: date


class SuccessorsOut(Output):
    """`outcome`: ONE unit holds all the people, SEVERAL share them, or what became of it is UNKNOWN."""

    outcome: Outcome
    items: tuple[SuccessorOut, ...]
    next_cursor: None = None


class PredecessorsOut(SuccessorsOut):
    """The older units that (partly) became this one; ONE: all its people came from one unit."""


class TranslationIn(Input):
    """A unit as a record has it, and the day whose list the record used."""

    level: Level
    code: UnitCode
    on: date


class TranslationsIn(Input):
    to: date | None = None
    """The day whose list is wanted; today when left out."""
    items: tuple[TranslationIn, ...] = Field(min_length=1, max_length=MOST_TRANSLATIONS)


class TranslatedUnitOut(Output):
    level: Level
    code: str
    full_name: str
    relation: str
    extent: Extent
    is_default: bool


class TranslationOut(Output):
    """One answer; UNKNOWN without units: the unit is not in the list of its day, or no list tells."""

    level: Level
    code: str
    on: date
    outcome: Outcome
    units: tuple[TranslatedUnitOut, ...]


class TranslationsOut(Output):
    """As many answers as items were sent, in their order."""

    to: date
    items: tuple[TranslationOut, ...]
