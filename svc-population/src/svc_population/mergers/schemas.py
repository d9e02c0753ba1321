"""What is proposed about two records, and what became of it."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import CountryCode, EthnicityCode, PlaceText, Sex
from pydantic import Field, model_validator

from svc_population.changes.schemas import BirthNameIn, DocumentIn
from svc_population.mergers.vocabulary import MergerKind, MergerState, Verdict
from svc_population.relationships.vocabulary import Relation

G = FieldGroup
_MOVABLE = (
    G.OTHER_NAME,
    G.BIRTH_PLACE,
    G.HOME_TOWN,
    G.ETHNICITY,
    G.RELIGION,
    G.BLOOD_GROUP,
    G.LEGACY_ID_NUMBER,
    G.MARITAL_STATUS,
    G.CONTACT,
    G.OTHER_INFORMATION,
)
MovableGroup = Literal[
    G.OTHER_NAME,
    G.BIRTH_PLACE,
    G.HOME_TOWN,
    G.ETHNICITY,
    G.RELIGION,
    G.BLOOD_GROUP,
    G.LEGACY_ID_NUMBER,
    G.MARITAL_STATUS,
    G.CONTACT,
    G.OTHER_INFORMATION,
]
"""Groups whose value can go from one record to the other; the rest is corrected before or afterwards."""


class MergeIn(Input):
    """Two records are of one person: the duplicate's number will lead to the survivor."""

    kind: Literal[MergerKind.MERGE]
    survivor: PersonalId
    duplicate: PersonalId
    take: tuple[MovableGroup, ...] = ()
    """Groups in which the duplicate's value is the right one."""
    document: DocumentIn

    @model_validator(mode="after")
    def _two(self) -> "MergeIn":
        if self.survivor == self.duplicate:
            raise ValueError("a record is no duplicate of itself")
        return self


class SecondPersonIn(Input):
    """Facts of the person who gets a number of their own."""

    birth_name: BirthNameIn
    birth_date: date
    sex: Sex
    birth_registration_province_code: ProvinceCode
    birth_registration_commune_code: CommuneCode | None = None
    birth_place: PlaceText | None = None
    ethnicity_code: EthnicityCode | None = None
    nationality: CountryCode = "VN"


class SplitIn(Input):
    """One record is of two persons: the second gets a number of their own, and what is theirs."""

    kind: Literal[MergerKind.SPLIT]
    personal_id: PersonalId
    second: SecondPersonIn
    give: tuple[MovableGroup, ...] = ()
    """Groups whose value is the second person's; the record has none then."""
    give_relations: tuple[Relation, ...] = ()
    """Relatives of the record that are the second person's: mother, father, spouse."""
    give_to_relatives: Annotated[tuple[PersonalId, ...], Field(max_length=50)] = ()
    """People who name the record as parent or spouse and mean the second person."""
    document: DocumentIn


class UndoIn(Input):
    """A merge or a split was wrong: both records are restored."""

    kind: Literal[MergerKind.UNDO]
    merger_id: UUID
    document: DocumentIn


MergerIn = Annotated[MergeIn | SplitIn | UndoIn, Field(discriminator="kind")]


class DecisionIn(Input):
    verdict: Verdict


class MergerOut(Output):
    """A proposal and what became of it."""

    id: UUID
    kind: MergerKind
    state: MergerState
    personal_id: PersonalId
    other_personal_id: PersonalId | None
    undoes: UUID | None
    case_id: str
    proposed_at: datetime
    decided_at: datetime | None
