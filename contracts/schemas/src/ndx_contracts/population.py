"""What other services ask of the population database: a personal number for a newborn, and a person's data.

`POST /population/v1/personal-id-requests` is idempotent on `request_id` (the civil registry uses the
birth's id): the same request gets the same answer, whatever was lost on the way. The answer is a success
(2xx) in every state; a suspected duplicate or a rejection is said by `state` and `reasons`, so that a
refusal of the request is never taken for a refusal of the call.

`GET /population/v1/persons/{personal_id}` answers the field groups that are asked for. A caller writes down
what it reads as a `PersonReading`; its members are the groups it asks for, so nothing is asked in vain.
`POST /population/v1/person-lookups` answers the same of many people at once, with a record of each.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from ndx_contracts.agreements import AgencyCode, CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output, Reading
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

NamePart = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
FullName = Annotated[str, StringConstraints(min_length=1, max_length=150, strip_whitespace=True)]
PlaceText = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
EthnicityCode = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|[1-4][0-9]|5[0-5])$")]
"""Code 01 to 54 of the list of ethnic groups (Decision 121-TCTK/PPCĐ of 1979); 55 = foreigner."""
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""


class Sex(StrEnum):
    """Sex as entered in the civil status book."""

    MALE = "MALE"
    FEMALE = "FEMALE"


class PersonalIdRequestState(StrEnum):
    """RECEIVED → ISSUED | DUPLICATE_SUSPECTED | REJECTED; RECEIVED is worth asking again."""

    RECEIVED = "RECEIVED"
    ISSUED = "ISSUED"
    DUPLICATE_SUSPECTED = "DUPLICATE_SUSPECTED"
    REJECTED = "REJECTED"


class ParentIn(Input):
    """A parent as the declaration names them (Law on Civil Status, article 14), with the number if held."""

    personal_id: PersonalId | None = None
    name: FullName
    birth_year: int | None = Field(default=None, ge=1850, le=2200)
    ethnicity_code: EthnicityCode | None = None
    nationality: CountryCode = "VN"
    residence: PlaceText | None = None


class PersonalIdRequestIn(Input):
    """Everything that is needed to allocate a number and to open the person's record."""

    request_id: UUID
    surname: NamePart | None = None
    middle_name: NamePart | None = None
    given_name: NamePart
    birth_date: date
    sex: Sex
    birth_place_code: CommuneCode | None = None
    birth_place: PlaceText | None = None
    """Place in words, such as a hospital, or a place abroad when there is no code."""
    birth_registration_commune_code: CommuneCode
    birth_registration_province_code: ProvinceCode
    home_town: PlaceText | None = None
    home_town_province_code: ProvinceCode | None = None
    ethnicity_code: EthnicityCode | None = None
    nationality: CountryCode = "VN"
    mother: ParentIn | None = None
    father: ParentIn | None = None
    office: AgencyCode
    """The office that registers the birth."""
    confirmed_not_duplicate: bool = False
    """An officer looked into an earlier DUPLICATE_SUSPECTED (under another request_id) and denies it."""


class PersonalIdRequestOut(Output):
    """State of a request; `personal_id` and `person_id` are there when, and only when, it is ISSUED.

    `reasons` are stable codes such as `same-mother-same-day`, never data of the candidates.
    """

    request_id: UUID
    state: PersonalIdRequestState
    personal_id: PersonalId | None = None
    person_id: UUID | None = None
    reasons: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _number_when_issued(self) -> "PersonalIdRequestOut":
        issued = self.state is PersonalIdRequestState.ISSUED
        if issued != (self.personal_id is not None) or issued != (self.person_id is not None):
            raise ValueError("a number and a person come with ISSUED, and only with ISSUED")
        return self


PERSON_PATH = "/population/v1/persons/{personal_id}"
PERSON_LOOKUPS_PATH = "/population/v1/person-lookups"
MOST_LOOKUPS = 1_000


class PersonLookupIn(Input):
    """Many people and the field groups that are wanted of each; a number that comes twice counts once."""

    personal_ids: Annotated[tuple[PersonalId, ...], Field(min_length=1, max_length=MOST_LOOKUPS)]
    fields: Annotated[tuple[FieldGroup, ...], Field(min_length=1)]


class PersonName(Reading):
    """A name in its parts; old records may lack any but the given name."""

    surname: str | None = None
    middle_name: str | None = None
    given_name: str = Field(min_length=1)

    @property
    def full(self) -> str:
        """Return surname, middle and given name in this order."""
        return " ".join(part for part in (self.surname, self.middle_name, self.given_name) if part)


class PersonReading(Reading):
    """Base of what one caller reads of a person: each member is named for the field group it comes from."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a member that is no field group as soon as the class is written."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.field_groups()

    @classmethod
    def field_groups(cls) -> tuple[FieldGroup, ...]:
        """Return the groups that are asked for and read."""
        return tuple(FieldGroup(name) for name in cls.model_fields)

    @classmethod
    def query(cls) -> dict[str, str]:
        """Return the query of `PERSON_PATH` that asks for exactly these groups."""
        return {"fields": ",".join(group.value for group in cls.field_groups())}

    @classmethod
    def lookups(cls, personal_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the body for `PERSON_LOOKUPS_PATH` that asks for exactly these groups of these people."""
        return {"personal_ids": list(personal_ids), "fields": [group.value for group in cls.field_groups()]}


_Person = TypeVar("_Person", bound=PersonReading)


class PersonFound(Reading, Generic[_Person]):
    """One person of many; null = nobody, or outside the agreement's scope."""

    personal_id: PersonalId
    person: _Person | None


class PersonsFound(Reading, Generic[_Person]):
    """An answer of `PERSON_LOOKUPS_PATH` as its reader wants it: `PersonsFound[MyPerson]`."""

    items: tuple[PersonFound[_Person], ...]

    def by_number(self) -> dict[str, _Person | None]:
        """Return each answer by the number that was asked for."""
        return {item.personal_id: item.person for item in self.items}
