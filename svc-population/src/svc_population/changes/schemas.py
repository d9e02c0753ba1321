"""What a change of a person states and what is answered; each member of `changes` is a field group."""

import unicodedata
from datetime import date
from typing import Annotated, Any, Literal

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import composed
from ndx_contracts.population import CountryCode, EthnicityCode, NamePart, PlaceText, Sex
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from svc_population.persons.vocabulary import ChangeKind, MaritalStatus


def _clean(text: str) -> str:
    """Return text in one form (NFC, single blanks); control characters, such as a zero byte, are no text."""
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise ValueError("control characters")
    return composed(text)


Reference = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_clean)]
_Name = Annotated[NamePart, AfterValidator(_clean)]
_Place = Annotated[PlaceText, AfterValidator(_clean)]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_clean)]
_Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{8,15}$")]
_Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$")]
_NEVER_EMPTY = ("birth_name", "birth_date", "sex", "nationality")


class DocumentIn(Input):
    """What a change rests on."""

    kind: Reference
    number: Reference
    issued_by: Reference
    issued_on: date


class BirthNameIn(Input):
    surname: _Name | None = None
    middle_name: _Name | None = None
    given_name: _Name


class BirthPlaceIn(Input):
    commune_code: CommuneCode | None = None
    text: _Place | None = None


class RegistrationPlaceIn(Input):
    """Codes of the list in force on the day of registration."""

    province_code: ProvinceCode
    commune_code: CommuneCode | None = None


class HomeTownIn(Input):
    province_code: ProvinceCode | None = None
    text: _Place | None = None


class CardIn(Input):
    kind: Literal["CMND_12", "CCCD", "CAN_CUOC"]
    issued_on: date
    issued_at: _Place | None = None
    valid_to: date | None = None


class EndOfLifeIn(Input):
    """MISSING and DECLARED_DEAD by a court; DECEASED only corrects the date of a registered death."""

    status: Literal["MISSING", "DECLARED_DEAD", "DECEASED"]
    date: date


class ContactIn(Input):
    phone: _Phone | None = None
    email: _Email | None = None


class ChangesIn(Input):
    """The new values, group by group: a group that is left out stays; null = not known (any more).

    Residence, household and relatives change by procedures of their own; the number by cancellation.
    """

    birth_name: BirthNameIn | None = None
    other_name: _Words | None = None
    birth_date: date | None = None
    sex: Sex | None = None
    birth_place: BirthPlaceIn | None = None
    birth_registration_place: RegistrationPlaceIn | None = None
    home_town: HomeTownIn | None = None
    ethnicity: EthnicityCode | None = None
    religion: _Words | None = None
    nationality: CountryCode | None = None
    blood_group: Annotated[str, StringConstraints(pattern=r"^(A|B|AB|O)[+-]?$")] | None = None
    legacy_id_number: Annotated[str, StringConstraints(pattern=r"^[0-9]{9}$")] | None = None
    card_history: Annotated[tuple[CardIn, ...], Field(max_length=50)] | None = None
    """All cards that the person has had: what is not in the list is removed."""
    marital_status: MaritalStatus | None = None
    death_or_missing_date: EndOfLifeIn | None = None
    """Null: the person lives."""
    contact: ContactIn | None = None
    other_information: (
        Annotated[
            dict[
                Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")],
                Annotated[str, StringConstraints(max_length=500), AfterValidator(_clean)],
            ],
            Field(max_length=30),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _something(self) -> "ChangesIn":
        if not self.model_fields_set:
            raise ValueError("name at least one field group")
        empty = [n for n in _NEVER_EMPTY if n in self.model_fields_set and getattr(self, n) is None]
        if empty:
            raise ValueError(f"always known: {', '.join(empty)}")
        cards = self.card_history or ()
        if len({(c.kind, c.issued_on) for c in cards}) != len(cards):
            raise ValueError("the same card stands twice")
        return self

    @property
    def field_groups(self) -> tuple[FieldGroup, ...]:
        """Return the groups that change, in the order of article 9."""
        return tuple(g for g in FieldGroup if g.value in self.model_fields_set)

    def value(self, group: FieldGroup) -> Any:
        """Return a group's new value in plain types."""
        found = self.model_dump(include={group.value})[group.value]
        if group is FieldGroup.CARD_HISTORY:
            return sorted((found or ()), key=lambda c: (c["issued_on"], c["kind"]))
        return found.value if isinstance(found, (Sex, MaritalStatus)) else found


CHANGEABLE: tuple[FieldGroup, ...] = tuple(g for g in FieldGroup if g.value in ChangesIn.model_fields)


class PersonChangeIn(Input):
    """One change: what, since when it is true, and on which document; the dossier is in NDX-Case-Id."""

    kind: ChangeKind
    effective_from: date | None = None
    """Not needed with a correction: without it, the value is taken to have been wrong from birth on."""
    effective_to: date | None = None
    """With a correction: the last day on which the value held. What is on record for later days stays."""
    document: DocumentIn
    changes: ChangesIn

    @model_validator(mode="after")
    def _since_when(self) -> "PersonChangeIn":
        if self.kind is ChangeKind.CHANGE and self.effective_from is None:
            raise ValueError("a change says from which day on it is true")
        if self.effective_to is not None and (
            self.kind is not ChangeKind.CORRECTION or self.effective_from is None
        ):
            raise ValueError("only a correction with a first day has a last one")
        return self


class PersonChangeOut(Output):
    """The version that the record has now; no group in `changed`: it said so already."""

    version: int
    changed: tuple[FieldGroup, ...]


class SourceOut(Output):
    """Which agency may change a group; `verified` is false where the law's text was not read."""

    field_group: FieldGroup
    agency: str
    kinds: tuple[ChangeKind, ...]
    after_death: bool
    effective_from: date
    effective_to: date | None
    verified: bool
    source: str


class SourcesOut(Output):
    items: tuple[SourceOut, ...]
