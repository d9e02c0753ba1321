"""Events of the population database."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from ndx_contracts.agreements import AgencyCode, CommuneCode, ProvinceCode
from ndx_contracts.events.envelope import EventData
from ndx_contracts.personal_ids import PersonalId


class _PersonEvent(EventData):
    TOPIC: ClassVar[str] = "population.person.v1"
    ENTITY: ClassVar[str] = "person"

    person_id: UUID
    personal_id: PersonalId
    version: int

    @property
    def key(self) -> str:
        return str(self.person_id)


class PersonRegistered(_PersonEvent):
    TYPE: ClassVar[str] = "population.person-registered.v1"

    birth_date: date
    mother_personal_id: PersonalId | None = None
    father_personal_id: PersonalId | None = None
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class PersonChanged(_PersonEvent):
    """Names of the changed field groups, never their values."""

    TYPE: ClassVar[str] = "population.person-changed.v1"

    changed: tuple[str, ...]
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None
    """The registered residence, or else where the birth was registered: it decides who may be told."""


class PersonDeceased(_PersonEvent):
    TYPE: ClassVar[str] = "population.person-deceased.v1"

    died_on: date
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class PersonDeathCancelled(_PersonEvent):
    """A recorded death is taken back: the person is what they were before, or alive.

    `version` tells which of a record's deaths and ends of deaths is the latest, in whatever order they come.
    """

    TYPE: ClassVar[str] = "population.person-death-cancelled.v1"

    died_on: date
    """The day that had been recorded."""
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class ResidenceChanged(_PersonEvent):
    """A residence, absence or stay was registered, changed or ended; names of field groups, no address."""

    TYPE: ClassVar[str] = "population.residence-changed.v1"

    changed: tuple[str, ...]
    former_province_code: ProvinceCode | None = None
    former_commune_code: CommuneCode | None = None
    """Where the person was registered before; the same as now when the permanent residence stayed."""
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class PersonsMerged(_PersonEvent):
    """Two records were of one person: the other number leads to this one for as long as the merger stands."""

    TYPE: ClassVar[str] = "population.persons-merged.v1"

    merged_person_id: UUID
    merged_personal_id: PersonalId
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class PersonsSeparated(_PersonEvent):
    """One record was of two persons, or a merger is undone: the separated number is a person of its own."""

    TYPE: ClassVar[str] = "population.persons-separated.v1"

    separated_person_id: UUID
    separated_personal_id: PersonalId
    undone: bool
    """A merger was undone; else the separated number is new."""
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class HouseholdChanged(_PersonEvent):
    """A person joined or left a household, or has another relation to its head; one event for each person."""

    TYPE: ClassVar[str] = "population.household-changed.v1"

    changed: tuple[str, ...]
    household_id: UUID
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class PersonalIdPrefixFilling(EventData):
    """A prefix of numbers has reached a threshold, or will be used up at the pace until now."""

    TYPE: ClassVar[str] = "population.personal-id-prefix-filling.v1"
    TOPIC: ClassVar[str] = "population.personal-id.v1"
    ENTITY: ClassVar[str] = "personal-id-prefix"

    prefix: str
    taken: int
    percent: int
    expected_exhaustion_on: date | None = None

    @property
    def key(self) -> str:
        return self.prefix


class PersonalIdCancelled(EventData):
    TYPE: ClassVar[str] = "population.personal-id-cancelled.v1"
    TOPIC: ClassVar[str] = "population.personal-id.v1"
    ENTITY: ClassVar[str] = "personal-id"

    person_id: UUID
    old_personal_id: PersonalId
    superseded_by: PersonalId | None = None

    @property
    def key(self) -> str:
        return str(self.person_id)


class ReconciliationCaseChanged(EventData):
    """A difference between an agency's register and this one became a case, or the case got on."""

    TYPE: ClassVar[str] = "population.reconciliation-case-changed.v1"
    TOPIC: ClassVar[str] = "population.reconciliation.v1"
    ENTITY: ClassVar[str] = "reconciliation-case"

    case_id: UUID
    personal_id: PersonalId
    """As the agency stated it; nobody need have it."""
    version: int
    kind: str
    state: str
    agency: AgencyCode
    """Who opened it."""
    disputed: tuple[str, ...]
    """Names of the field groups in dispute, never values."""
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None

    @property
    def key(self) -> str:
        return str(self.case_id)


class MatchJobEnded(EventData):
    """A file that an agency sent to be matched is done with; numbers only, nobody is named."""

    TYPE: ClassVar[str] = "population.match-job-ended.v1"
    TOPIC: ClassVar[str] = "population.match-job.v1"
    ENTITY: ClassVar[str] = "match-job"

    job_id: UUID
    agency: AgencyCode
    """Who sent it, and alone hears of it."""
    state: str
    """FINISHED, FAILED, CANCELLED or EXPIRED."""
    fault: str | None = None
    """Why it FAILED."""
    lines: int
    result_parts: int
    """How many can be fetched: none of one that was cancelled or expired."""
    cases_opened: int
    cases_known: int

    @property
    def key(self) -> str:
        return str(self.job_id)
