"""What is asked when a person is searched for or a record is matched, and what is answered."""

from typing import Annotated

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import Sex
from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from svc_population.matching.birth_dates import PATTERN, PartialDate
from svc_population.matching.grading import MatchZone, Reason
from svc_population.matching.name_folding import cleaned
from svc_population.persons.schemas import PersonOut

Name = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(cleaned)]
"""Surname, middle names, given name; capitals, accents and the place of tone marks do not matter much."""


def _a_birth_date(text: str) -> str:
    PartialDate.parse(text)
    return text


BirthDate = Annotated[
    str,
    StringConstraints(pattern=PATTERN),
    AfterValidator(_a_birth_date),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["1990", "1990-05", "1990-05-17"]}),
]
"""A day, or as much of it as is known."""
HouseholdNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z./-]{1,40}$")]
MOST_FOUND = 200
MATCHED_BY: tuple[FieldGroup, ...] = (
    FieldGroup.PERSONAL_ID,
    FieldGroup.BIRTH_NAME,
    FieldGroup.BIRTH_DATE,
    FieldGroup.SEX,
    FieldGroup.LEGACY_ID_NUMBER,
    FieldGroup.PERMANENT_RESIDENCE,
    FieldGroup.HOME_TOWN,
)
SHOWN: tuple[FieldGroup, ...] = (
    FieldGroup.BIRTH_NAME,
    FieldGroup.OTHER_NAME,
    FieldGroup.PERSONAL_ID,
    FieldGroup.BIRTH_DATE,
    FieldGroup.SEX,
    FieldGroup.BIRTH_PLACE,
    FieldGroup.BIRTH_REGISTRATION_PLACE,
    FieldGroup.HOME_TOWN,
    FieldGroup.NATIONALITY,
    FieldGroup.LEGACY_ID_NUMBER,
    FieldGroup.PERMANENT_RESIDENCE,
    FieldGroup.TEMPORARY_RESIDENCE,
    FieldGroup.CURRENT_RESIDENCE,
    FieldGroup.DEATH_OR_MISSING_DATE,
)
"""Groups that a search can show; family, cards and what is sensitive are read of one person at a time."""
SEARCHED: tuple[FieldGroup, ...] = (*SHOWN, FieldGroup.HOUSEHOLD)
"""Groups that a search can tell something about: a household is searched by, its members are not listed."""


class PersonSearchIn(Input):
    """A name, with a birth date, a commune or a household; sex and province narrow it."""

    name: Name
    birth_date: BirthDate | None = None
    sex: Sex | None = None
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None
    """Registered residence; for a child without one, the place where the birth was registered."""
    household_number: HouseholdNumber | None = None
    fields: Annotated[tuple[FieldGroup, ...], Field(min_length=1)]
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    limit: int = Field(default=20, ge=1, le=50)

    @model_validator(mode="after")
    def _narrow_enough(self) -> "PersonSearchIn":
        if self.birth_date is None and self.commune_code is None and self.household_number is None:
            raise ValueError("name a birth date (a year will do), a commune or a household")
        if unknown := sorted(set(self.fields) - set(SHOWN)):
            raise ValueError(f"a search does not show {', '.join(unknown)}")
        return self

    @property
    def field_groups(self) -> frozenset[FieldGroup]:
        """Return the groups that the answer tells something about: those shown, and those searched by."""
        searched = {FieldGroup.BIRTH_NAME}
        if self.birth_date is not None:
            searched.add(FieldGroup.BIRTH_DATE)
        if self.sex is not None:
            searched.add(FieldGroup.SEX)
        if self.province_code is not None or self.commune_code is not None:
            searched.add(FieldGroup.PERMANENT_RESIDENCE)
        if self.household_number is not None:
            searched.add(FieldGroup.HOUSEHOLD)
        return frozenset(searched.union(self.fields))


class MatchIn(Input):
    """What a record says about somebody: a name and a birth date, and whatever else it holds."""

    name: Name
    birth_date: BirthDate
    personal_id: PersonalId | None = None
    legacy_id_number: Annotated[str, StringConstraints(pattern=r"^[0-9]{9}$")] | None = None
    sex: Sex | None = None
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None
    """Where the person lives or lived, or where the birth was registered; codes of today."""
    home_town_province_code: ProvinceCode | None = None

    @property
    def field_groups(self) -> frozenset[FieldGroup]:
        """Return the groups that the answer tells something about."""
        stated = {
            FieldGroup.SEX: self.sex,
            FieldGroup.LEGACY_ID_NUMBER: self.legacy_id_number,
            FieldGroup.PERMANENT_RESIDENCE: self.province_code or self.commune_code,
            FieldGroup.HOME_TOWN: self.home_town_province_code,
        }
        always = {FieldGroup.PERSONAL_ID, FieldGroup.BIRTH_NAME, FieldGroup.BIRTH_DATE}
        return frozenset(always | {group for group, value in stated.items() if value is not None})


class MatchOut(Output):
    """One person or nobody: the number comes with SURE only, and the reasons say why it is not SURE."""

    zone: MatchZone
    personal_id: PersonalId | None
    """The person's number of today."""
    reasons: tuple[Reason, ...]


class PersonFoundOut(Output):
    """A person with the groups that were asked for, and how near name and birth date are."""

    name: str
    """SAME, VARIANT, MIDDLE_MISSING, UNACCENTED, REORDERED or UNACCENTED_MIDDLE_MISSING; GIVEN_NAME_ONLY when
    one word was given."""
    birth_date: str | None
    """EXACT, PARTIAL or SWAPPED; null when none was given."""
    person: PersonOut


class PersonsFoundOut(Output):
    """Nearest first; `complete` is false when more people have a similar name than were looked at."""

    items: tuple[PersonFoundOut, ...]
    next_cursor: str | None
    complete: bool
