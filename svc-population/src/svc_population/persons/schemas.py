"""What is answered about a person, and the claims that can be verified."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import Sex
from pydantic import BeforeValidator, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def a_day(value: object) -> object:
    """Return a value that is a day in words, such as 1990-05-17; numbers are none, nor are moments.

    Raises:
        ValueError: it is something else, or there is no such day.
    """
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day is written 1990-05-17")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day") from None


Day = Annotated[date, BeforeValidator(a_day)]


class NameOut(Output):
    surname: str | None
    middle_name: str | None
    given_name: str


class BirthPlaceOut(Output):
    commune_code: str | None
    text: str | None


class RegistrationPlaceOut(Output):
    province_code: str | None
    commune_code: str | None


class HomeTownOut(Output):
    province_code: str | None
    text: str | None


class ResidenceOut(Output):
    """A place of residence; codes are those of today's list."""

    province_code: str | None
    commune_code: str | None
    address: str | None
    since: date | None = None
    until: date | None = None


class AbsenceOut(Output):
    from_: date | None = Field(alias="from")
    until: date | None


class CardOut(Output):
    kind: str
    issued_on: date
    issued_at: str | None
    valid_to: date | None


class RelativeOut(Output):
    """`relation` is what the relative is: MOTHER, FATHER, SPOUSE, CHILD, GUARDIAN or WARD."""

    relation: str
    personal_id: PersonalId | None
    name: str | None
    nationality: str | None
    legacy_id_number: str | None


class MemberOut(Output):
    personal_id: PersonalId
    name: str
    relation_to_head: str | None
    legacy_id_number: str | None


class HouseholdOut(Output):
    number: str
    members: tuple[MemberOut, ...]


class EndOfLifeOut(Output):
    status: Literal["MISSING", "DECLARED_DEAD", "DECEASED"]
    date: date


class ContactOut(Output):
    phone: str | None
    email: str | None


class PersonOut(Output):
    """A person: exactly the groups that were asked for; null = not known (no end of life: alive)."""

    birth_name: NameOut | None = None
    other_name: str | None = None
    personal_id: PersonalId | None = None
    """The person's number of today, also when a former one was asked for."""
    birth_date: date | None = None
    sex: Sex | None = None
    birth_place: BirthPlaceOut | None = None
    birth_registration_place: RegistrationPlaceOut | None = None
    home_town: HomeTownOut | None = None
    ethnicity: str | None = None
    religion: str | None = None
    nationality: str | None = None
    blood_group: str | None = None
    legacy_id_number: str | None = None
    card_history: tuple[CardOut, ...] | None = None
    family_relations: tuple[RelativeOut, ...] | None = None
    permanent_residence: ResidenceOut | None = None
    temporary_residence: ResidenceOut | None = None
    current_residence: ResidenceOut | None = None
    temporary_absence: AbsenceOut | None = None
    residence_file_number: str | None = None
    marital_status: str | None = None
    relation_to_head: str | None = None
    household: HouseholdOut | None = None
    death_or_missing_date: EndOfLifeOut | None = None
    contact: ContactOut | None = None
    other_information: dict[str, Any] | None = None


class PersonLookupOut(Output):
    """One answer: whom was asked for, and the person; null = nobody, or not within the agreement's scope."""

    personal_id: PersonalId
    person: PersonOut | None


class PersonLookupsOut(Output):
    """As many answers as different numbers were asked for, in their order."""

    items: tuple[PersonLookupOut, ...]


class ClaimField(StrEnum):
    """What a claim can be about."""

    BIRTH_NAME = "birth_name"
    BIRTH_DATE = "birth_date"
    SEX = "sex"
    NATIONALITY = "nationality"
    ETHNICITY = "ethnicity"
    HOME_TOWN_PROVINCE_CODE = "home_town_province_code"
    PERMANENT_PROVINCE_CODE = "permanent_province_code"
    PERMANENT_COMMUNE_CODE = "permanent_commune_code"
    LEGACY_ID_NUMBER = "legacy_id_number"
    MARITAL_STATUS = "marital_status"


GROUP_OF_CLAIM: dict[ClaimField, FieldGroup] = {
    ClaimField.BIRTH_NAME: FieldGroup.BIRTH_NAME,
    ClaimField.BIRTH_DATE: FieldGroup.BIRTH_DATE,
    ClaimField.SEX: FieldGroup.SEX,
    ClaimField.NATIONALITY: FieldGroup.NATIONALITY,
    ClaimField.ETHNICITY: FieldGroup.ETHNICITY,
    ClaimField.HOME_TOWN_PROVINCE_CODE: FieldGroup.HOME_TOWN,
    ClaimField.PERMANENT_PROVINCE_CODE: FieldGroup.PERMANENT_RESIDENCE,
    ClaimField.PERMANENT_COMMUNE_CODE: FieldGroup.PERMANENT_RESIDENCE,
    ClaimField.LEGACY_ID_NUMBER: FieldGroup.LEGACY_ID_NUMBER,
    ClaimField.MARITAL_STATUS: FieldGroup.MARITAL_STATUS,
}


class EqualsClaim(Input):
    """The value is exactly this one (names: after Unicode composition and blanks).

    A birth date is a day (1990-05-17), a sex MALE or FEMALE: what nobody can have is refused, not denied.
    """

    kind: Literal["EQUALS"]
    field: ClaimField
    value: Text

    @model_validator(mode="after")
    def _possible(self) -> "EqualsClaim":
        if self.field is ClaimField.BIRTH_DATE:
            a_day(self.value)
        elif self.field is ClaimField.SEX and self.value not in set(Sex):
            raise ValueError("a sex is MALE or FEMALE")
        return self


class FoldedEqualsClaim(Input):
    """The name is this one, whatever the capitals and the place of the tone marks (Hoà = Hòa)."""

    kind: Literal["FOLDED_EQUALS"]
    field: Literal[ClaimField.BIRTH_NAME]
    value: Text


class AtLeastAgeClaim(Input):
    """The person has had this birthday by today in Viet Nam."""

    kind: Literal["AT_LEAST_AGE"]
    years: int = Field(strict=True, ge=1, le=120)


class DateOrderClaim(Input):
    """The person was born before, or after, this day."""

    kind: Literal["BEFORE", "AFTER"]
    field: Literal[ClaimField.BIRTH_DATE]
    value: Day


class AliveClaim(Input):
    """The person is neither dead nor declared dead or missing."""

    kind: Literal["IS_ALIVE"]


Claim = Annotated[
    EqualsClaim | FoldedEqualsClaim | AtLeastAgeClaim | DateOrderClaim | AliveClaim,
    Field(discriminator="kind"),
]


class VerifyIn(Input):
    claims: tuple[Claim, ...] = Field(min_length=1, max_length=10)

    @model_validator(mode="after")
    def _one_claim_per_subject(self) -> "VerifyIn":
        # Two values for one field in one call would be a guess with a second try.
        subjects = [(c.kind, getattr(c, "field", None)) for c in self.claims]
        if len(subjects) != len(set(subjects)):
            raise ValueError("the same claim stands twice")
        return self

    @property
    def field_groups(self) -> frozenset[FieldGroup]:
        """Return the groups that the answers tell something about."""
        groups: set[FieldGroup] = set()
        for claim in self.claims:
            if isinstance(claim, AtLeastAgeClaim):
                groups.add(FieldGroup.BIRTH_DATE)
            elif isinstance(claim, AliveClaim):
                groups.add(FieldGroup.DEATH_OR_MISSING_DATE)
            else:
                groups.add(GROUP_OF_CLAIM[ClaimField(claim.field)])
        return frozenset(groups)


class ClaimOut(Output):
    """The answer to one claim; never a value."""

    kind: str
    field: str | None
    matched: bool


class VerifyOut(Output):
    all_matched: bool
    results: tuple[ClaimOut, ...]
