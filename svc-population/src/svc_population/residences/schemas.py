"""Registrations of residence as they are asked for and answered."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.names import words
from ndx_contracts.personal_ids import PersonalId
from pydantic import AfterValidator, StringConstraints, model_validator

from svc_population.admin_units.succession import Outcome
from svc_population.residences.vocabulary import EndCause, ResidenceKind, ResidenceState

Words = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(words)]
FileNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]{0,39}$")]


class BasisIn(Input):
    """The document that a registration or its end rests on."""

    document: Words
    decided_on: date | None = None


class ResidenceIn(Input):
    """A registration; codes are those of today's list.

    PERMANENT and CURRENT have no `valid_to`, TEMPORARY and STAY need one. Only an ABSENCE may leave the place
    out. A permanent residence without `residence_file_number` gets the commune's next one.
    """

    kind: ResidenceKind
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None
    address: Words | None = None
    valid_from: date
    valid_to: date | None = None
    residence_file_number: FileNumber | None = None
    basis: BasisIn

    @model_validator(mode="after")
    def _place(self) -> "ResidenceIn":
        if (self.province_code is None) is not (self.commune_code is None):
            raise ValueError("province_code and commune_code stand together")
        if self.commune_code is None and self.kind is not ResidenceKind.ABSENCE:
            raise ValueError("province_code and commune_code are needed")
        if self.residence_file_number is not None and self.kind is not ResidenceKind.PERMANENT:
            raise ValueError("residence_file_number belongs to a permanent residence")
        return self


class ResidenceChangeIn(Input):
    """A corrected address, or another end of a running temporary residence, absence or stay."""

    address: Words | None = None
    valid_to: date | None = None
    residence_file_number: FileNumber | None = None
    basis: BasisIn

    @model_validator(mode="after")
    def _something(self) -> "ResidenceChangeIn":
        if self.address is None and self.valid_to is None and self.residence_file_number is None:
            raise ValueError("nothing would change")
        return self


class ResidenceEndIn(Input):
    """Take a registration off the register; WRONG_ENTRY: it never was true, `ended_on` is left out."""

    cause: Literal[EndCause.DEREGISTERED, EndCause.WRONG_ENTRY]
    ended_on: date | None = None
    """Last day on which it was true; today when left out."""
    basis: BasisIn


class ResidenceCorrectionIn(Input):
    """What held from a past day to a past day, both included; without a place: no residence of this kind.

    Codes are those of today's list. Days before and after stay as they are on record.
    """

    kind: Literal[ResidenceKind.PERMANENT, ResidenceKind.TEMPORARY]
    valid_from: date
    valid_to: date
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None
    address: Words | None = None
    residence_file_number: FileNumber | None = None
    basis: BasisIn

    @model_validator(mode="after")
    def _place(self) -> "ResidenceCorrectionIn":
        if (self.province_code is None) is not (self.commune_code is None):
            raise ValueError("province_code and commune_code stand together")
        if self.commune_code is None and (self.address or self.residence_file_number):
            raise ValueError("an address and a residence file belong to a place")
        if self.residence_file_number is not None and self.kind is not ResidenceKind.PERMANENT:
            raise ValueError("residence_file_number belongs to a permanent residence")
        return self


class PlaceOut(Output):
    """The same place in the units of another day; without codes where no list tells or it was divided."""

    on: date
    outcome: Outcome
    province_code: str | None
    commune_code: str | None
    commune_name: str | None


class ResidenceOut(Output):
    """One registration; codes are those of the list of `units_on`, `place` has those of the asked day."""

    residence_id: UUID
    personal_id: PersonalId
    kind: ResidenceKind
    state: ResidenceState
    province_code: str | None
    commune_code: str | None
    address: str | None
    units_on: date
    place: PlaceOut | None
    valid_from: date
    valid_to: date | None
    end_cause: EndCause | None
    residence_file_number: str | None
    source: str
    registered_at: datetime | None
    """Null: it came with an import and was not touched since."""
    version: int
    """Version of the person's record."""


class ResidencesOut(Output):
    """All registrations of the asked kinds, the newest first."""

    items: tuple[ResidenceOut, ...]
    next_cursor: None = None
