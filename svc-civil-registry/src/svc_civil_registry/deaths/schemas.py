"""What a death declaration holds (Civil Status Law 60/2014/QH13, articles 33 and 34) and what is answered."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import Sex
from pydantic import Field, StringConstraints, field_validator, model_validator

from svc_civil_registry.books.schemas import RegisterNumber
from svc_civil_registry.deadlines.service import today
from svc_civil_registry.events.documents import DocumentIn
from svc_civil_registry.events.vocabulary import Flag, Status
from svc_civil_registry.names import FullName, Words

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
CauseName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{2,39}$")]
NoticeNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9./-]{0,39}$")]
RequestSequence = Annotated[
    int, Field(ge=1, le=32767, description="Place of the request among what was done to the record.")
]
EARLIEST_DEATH = date(1900, 1, 1)


class DeathRelation(StrEnum):
    """Who declares: spouse, child, parent or another relative; else an agency; else the registrar."""

    SPOUSE = "SPOUSE"
    CHILD = "CHILD"
    PARENT = "PARENT"
    RELATIVE = "RELATIVE"
    AGENCY = "AGENCY"
    REGISTRAR = "REGISTRAR"


class DeceasedIn(Input):
    personal_id: PersonalId
    name: FullName
    sex: Sex
    birth_date: date | None = None
    last_residence: Words


class DeathDeclarantIn(Input):
    name: FullName
    relation: DeathRelation
    personal_id: PersonalId | None = None


class DeathIn(Input):
    """A declaration; `office` is the commune that registers."""

    office: AgencyCode
    deceased: DeceasedIn
    died_on: date
    died_at: time | None = None
    death_place: Words
    cause: Words | None = None
    notice_number: NoticeNumber | None = None
    declarant: DeathDeclarantIn

    @field_validator("died_on")
    @classmethod
    def _possible(cls, value: date) -> date:
        if not EARLIEST_DEATH <= value <= today():
            raise ValueError("a death lies between 1900-01-01 and today")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.deceased.birth_date is not None and self.died_on < self.deceased.birth_date:
            raise ValueError("the death lies before the birth")
        if self.declarant.personal_id == self.deceased.personal_id:
            raise ValueError("nobody declares their own death")
        return self


class DeathOut(Output):
    death_id: UUID
    office: AgencyCode
    status: Status
    flags: tuple[Flag, ...]
    registered_at: datetime
    register_number: RegisterNumber


class CancellationIn(Input):
    """Why a registered death is to be cancelled, and which paper shows it."""

    cause: CauseName
    reason: Reason
    document: DocumentIn


class Verdict(StrEnum):
    APPROVE = "APPROVE"
    REJECT = "REJECT"


class VerdictIn(Input):
    """What a second officer decides about which request; a rejection needs its reason."""

    request_sequence: RequestSequence
    verdict: Verdict
    reason: Reason | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.verdict is Verdict.REJECT and self.reason is None:
            raise ValueError("a rejection needs a reason")
        return self


class CancellationState(StrEnum):
    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class CancellationOut(Output):
    """What was asked for last, and what became of it; a decision names its `request_sequence`."""

    state: CancellationState
    request_sequence: RequestSequence
    cause: CauseName
    reason: str
    document: DocumentIn
    requested_at: datetime
    decided_at: datetime | None = None
    rejection: str | None = None


class DeathRecordOut(DeathOut):
    """A death with everything that was declared."""

    declaration: DeathIn
    cancellation: CancellationOut | None = None
