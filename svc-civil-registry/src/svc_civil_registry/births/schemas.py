"""What a birth declaration holds (Civil Status Law 60/2014/QH13, articles 13 to 16) and what is answered."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from ndx_contracts.agreements import AgencyCode, CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import CountryCode, EthnicityCode, ParentIn, Sex
from pydantic import Field, StringConstraints, field_validator, model_validator

from svc_civil_registry.books.schemas import RegisterNumber
from svc_civil_registry.deadlines.service import today
from svc_civil_registry.events.vocabulary import ActionType, Flag, Status
from svc_civil_registry.names import FullName, NamePart, Words

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
NoticeNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]{0,39}$")]
EARLIEST_BIRTH = date(1900, 1, 1)


class Relation(StrEnum):
    """Who declares: the parents, else grandparents, relatives, or who cares for the child (article 15)."""

    FATHER = "FATHER"
    MOTHER = "MOTHER"
    GRANDPARENT = "GRANDPARENT"
    RELATIVE = "RELATIVE"
    CARER = "CARER"
    AGENCY = "AGENCY"


class EvidenceKind(StrEnum):
    """The paper that proves the birth: the notice, or what the law takes in its place (article 16)."""

    BIRTH_NOTICE = "BIRTH_NOTICE"
    WITNESS_STATEMENT = "WITNESS_STATEMENT"
    OWN_UNDERTAKING = "OWN_UNDERTAKING"
    ABANDONED_CHILD_MINUTES = "ABANDONED_CHILD_MINUTES"
    SURROGACY_PROOF = "SURROGACY_PROOF"


class ChildIn(Input):
    surname: NamePart | None = None
    middle_name: NamePart | None = None
    given_name: NamePart
    sex: Sex
    birth_date: date
    birth_time: time | None = None
    birth_place_code: CommuneCode | None = None
    birth_place: Words
    home_town: Words
    home_town_province_code: ProvinceCode | None = None
    ethnicity_code: EthnicityCode
    nationality: CountryCode = "VN"
    plurality: int = Field(default=1, ge=1, le=10)
    """Children born of this pregnancy."""
    birth_order: int = Field(default=1, ge=1, le=10)
    """Place of this child among them."""

    @field_validator("birth_date")
    @classmethod
    def _possible(cls, value: date) -> date:
        if not EARLIEST_BIRTH <= value <= today():
            raise ValueError("a birth lies between 1900-01-01 and today")
        return value

    @model_validator(mode="after")
    def _order_within_plurality(self) -> Self:
        if self.birth_order > self.plurality:
            raise ValueError("birth_order is greater than plurality")
        return self

    @property
    def full_name(self) -> str:
        return " ".join(p for p in (self.surname, self.middle_name, self.given_name) if p)


class BirthParentIn(ParentIn):
    """A parent; name, year of birth, ethnicity, nationality and residence stand on the entry (article 14)."""

    name: FullName


class DeclarantIn(Input):
    name: FullName
    relation: Relation
    personal_id: PersonalId | None = None


class EvidenceIn(Input):
    kind: EvidenceKind
    number: NoticeNumber | None = None
    issued_on: date | None = None

    @model_validator(mode="after")
    def _notice_has_number(self) -> Self:
        if self.kind is EvidenceKind.BIRTH_NOTICE and self.number is None:
            raise ValueError("a birth notice has a number")
        return self


class BirthIn(Input):
    """A declaration; `office` is the commune that registers."""

    office: AgencyCode
    child: ChildIn
    mother: BirthParentIn | None = None
    father: BirthParentIn | None = None
    declarant: DeclarantIn
    evidence: EvidenceIn

    @model_validator(mode="after")
    def _parents_fit(self) -> Self:
        mother, father = self.mother, self.father
        if (
            mother is None
            and father is None
            and self.evidence.kind is not EvidenceKind.ABANDONED_CHILD_MINUTES
        ):
            raise ValueError("a child without known parents needs the minutes of an abandoned child")
        if mother and father and mother.personal_id and mother.personal_id == father.personal_id:
            raise ValueError("mother and father have the same personal ID")
        for parent in (mother, father):
            if parent and parent.birth_year is not None and parent.birth_year >= self.child.birth_date.year:
                raise ValueError("a parent is not older than the child")
        return self


class ReviewIn(Input):
    """An officer's decision that the record stands for a birth of its own."""

    reason: Reason


class DuplicateIn(ReviewIn):
    """An officer's decision that the record repeats another one."""

    duplicate_of: UUID


class BirthOut(Output):
    """Where a birth stands. `personal_id` and `register_number` are there from REGISTERED on."""

    birth_id: UUID
    office: AgencyCode
    status: Status
    flags: tuple[Flag, ...]
    declared_at: datetime
    registered_at: datetime | None = None
    personal_id: PersonalId | None = None
    register_number: RegisterNumber | None = None
    reasons: tuple[str, ...] = ()
    """Codes: why the number was refused, or which rules suspect a duplicate."""
    duplicate_of: UUID | None = None


class StepOut(Output):
    """One line of the record's history."""

    action: ActionType
    occurred_at: datetime
    actor: str
    officer: str | None
    office: AgencyCode


class BirthRecordOut(BirthOut):
    """A birth with everything that was declared and done."""

    declaration: BirthIn
    history: tuple[StepOut, ...]


class BirthSummary(Output):
    birth_id: UUID
    office: AgencyCode
    status: Status
    flags: tuple[Flag, ...]
    child_name: str
    birth_date: date
    declared_at: datetime
    personal_id: PersonalId | None = None


class BirthPage(Output):
    items: tuple[BirthSummary, ...]
    next_cursor: str | None = None


class AwaitingBirth(Output):
    """A birth in the queue: how often its number was asked for, when next, and what came back last."""

    birth_id: UUID
    office: AgencyCode
    requested_at: datetime
    attempts: int
    next_attempt_at: datetime
    last_error: str | None = None


class AwaitingPage(Output):
    items: tuple[AwaitingBirth, ...]
    next_cursor: str | None = None
