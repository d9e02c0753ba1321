"""The data-sharing agreement: who may ask what, for which purpose, on which legal basis, how much."""

from datetime import date, time
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose

AgencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,15}(\.[A-Z0-9]{1,15})?$")]
SystemCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
OperationName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*\.[a-z][a-z0-9_]*$")]
AgreementId = Annotated[str, StringConstraints(pattern=r"^DSA-[A-Z0-9._]+-[0-9]+$")]
ProvinceCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]
CommuneCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]


class AgencyClass(StrEnum):
    """Kind of legal body; a template agreement binds every agency of one class."""

    CENTRAL = "CENTRAL"
    PROVINCE = "PROVINCE"
    COMMUNE = "COMMUNE"
    STATE_ENTERPRISE = "STATE_ENTERPRISE"
    BANK = "BANK"
    TELECOM = "TELECOM"
    COURT = "COURT"
    HEALTH = "HEALTH"
    OTHER = "OTHER"


CLASS_NAMES: dict[AgencyClass, tuple[str, str]] = {
    AgencyClass.CENTRAL: ("Cơ quan trung ương", "Central agency"),
    AgencyClass.PROVINCE: ("Cơ quan cấp tỉnh", "Provincial agency"),
    AgencyClass.COMMUNE: ("Ủy ban nhân dân cấp xã", "Commune People's Committee"),
    AgencyClass.STATE_ENTERPRISE: ("Doanh nghiệp nhà nước", "State enterprise"),
    AgencyClass.BANK: ("Tổ chức tín dụng", "Credit institution"),
    AgencyClass.TELECOM: ("Doanh nghiệp viễn thông", "Telecom enterprise"),
    AgencyClass.COURT: ("Tòa án nhân dân", "People's court"),
    AgencyClass.HEALTH: ("Cơ sở khám bệnh, chữa bệnh", "Health care facility"),
    AgencyClass.OTHER: ("Cơ quan, tổ chức khác", "Other body"),
}
"""Vietnamese and English names of the classes, for pages that show who is bound by a template."""


class AgreementState(StrEnum):
    """State of a version: DRAFT → SUBMITTED → APPROVED → ACTIVE ⇄ SUSPENDED → EXPIRED | TERMINATED.

    SUBMITTED may go back to DRAFT or end as REJECTED; a version that a later one replaced is SUPERSEDED, one
    that was given up before it began is WITHDRAWN.
    """

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    REJECTED = "REJECTED"
    APPROVED = "APPROVED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWN"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OperationGrant(_Part):
    """One operation and the field groups that it may disclose."""

    operation: OperationName
    field_groups: tuple[FieldGroup, ...] = ()


class LegalBasis(_Part):
    text: Annotated[str, StringConstraints(min_length=3, max_length=1000)]
    reference: Annotated[str, StringConstraints(min_length=3, max_length=200)]


class AdminScope(_Part):
    """Provinces and communes whose people are covered; both empty = the whole country."""

    provinces: tuple[ProvinceCode, ...] = ()
    communes: tuple[CommuneCode, ...] = ()

    def includes(self, other: "AdminScope") -> bool:
        """Tell whether whoever is covered by the other scope is surely covered by this one."""
        if not self.provinces and not self.communes:
            return True
        if not other.provinces and not other.communes:
            return False
        return set(other.provinces) <= set(self.provinces) and set(other.communes) <= set(self.communes)


class Quotas(_Part):
    """Requests per second with burst, requests per day and month, batch rows per day; None = no limit."""

    per_second: int = Field(default=50, ge=1, le=100_000)
    burst: int = Field(default=100, ge=1, le=200_000)
    per_day: int | None = Field(default=None, ge=1)
    per_month: int | None = Field(default=None, ge=1)
    batch_rows_per_day: int | None = Field(default=None, ge=1)

    @property
    def metered(self) -> bool:
        """Tell whether there is a quota by day or month, so that calls must be counted."""
        return self.per_day is not None or self.per_month is not None


class TimeOfDay(_Part):
    """Hours in which calls may run, in Vietnam's time (UTC+7): from `start` until just before `end`.

    An end before the start means the next morning: 22:00 to 06:00 covers the night.
    """

    start: time
    end: time

    @model_validator(mode="after")
    def _hours_without_zone(self) -> "TimeOfDay":
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("hours are Vietnam's time and have no zone")
        if self.start == self.end:
            raise ValueError("start and end are the same; leave the condition out for the whole day")
        return self

    def covers(self, moment: time) -> bool:
        """Tell whether a moment of the day lies within the hours."""
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


class Conditions(_Part):
    officer_required: bool = False
    case_required: bool = False
    consent_required: bool = False
    signature_required: bool = False
    time_of_day: TimeOfDay | None = None


class AgreementTerms(_Part):
    """What the parties agree on; the same in every state.

    The consumer is one agency, or, in a template, every agency of a class.
    """

    consumer_agency: AgencyCode | None = None
    consumer_class: AgencyClass | None = None
    consumer_systems: tuple[SystemCode, ...] = ()
    provider_agency: AgencyCode
    operations: Annotated[tuple[OperationGrant, ...], Field(min_length=1)]
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1)]
    legal_basis: LegalBasis
    valid_from: date
    valid_to: date | None = None
    admin_scope: AdminScope = AdminScope()
    quotas: Quotas = Quotas()
    conditions: Conditions = Conditions()

    @model_validator(mode="after")
    def _terms_fit_together(self) -> "AgreementTerms":
        if (self.consumer_agency is None) is (self.consumer_class is None):
            raise ValueError("name either consumer_agency or, for a template, consumer_class")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        names = [grant.operation for grant in self.operations]
        if len(names) != len(set(names)):
            raise ValueError("an operation is listed twice")
        if len(self.purposes) != len(set(self.purposes)):
            raise ValueError("a purpose is listed twice")
        if len(self.consumer_systems) != len(set(self.consumer_systems)):
            raise ValueError("a system is listed twice")
        return self

    def binds(self, agency: str, agency_class: str, system: str) -> bool:
        """Tell whether the agency's system is on the consumer's side."""
        if self.consumer_class is None:
            named = self.consumer_agency == agency
        else:
            named = self.consumer_class == agency_class
        return named and (not self.consumer_systems or system in self.consumer_systems)


class Agreement(AgreementTerms):
    """A version of an agreement in a state; also the document on topic `gateway.agreement.v1`."""

    agreement_id: AgreementId
    version: int = Field(ge=1)
    state: AgreementState
    consumer_name: str = ""
    """The consumer in words, so that a citizen's page needs no second source; a template names its class."""
    consumer_name_en: str = ""

    def grant(self, operation: str) -> OperationGrant | None:
        """Return the grant of one operation, or None when the agreement does not hold it."""
        return next((g for g in self.operations if g.operation == operation), None)

    def in_force(self, day: date) -> bool:
        """Tell whether calls may run under it on that day."""
        return (
            self.state is AgreementState.ACTIVE
            and self.valid_from <= day
            and (self.valid_to is None or day <= self.valid_to)
        )
