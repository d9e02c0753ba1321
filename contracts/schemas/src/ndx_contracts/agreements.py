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
AgreementId = Annotated[str, StringConstraints(pattern=r"^DSA-[A-Z0-9.]+-[0-9]+$")]
ProvinceCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]
CommuneCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]


class AgreementState(StrEnum):
    """Lifecycle: DRAFT → SUBMITTED → APPROVED → ACTIVE ⇄ SUSPENDED → EXPIRED | TERMINATED."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    REJECTED = "REJECTED"
    APPROVED = "APPROVED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"


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


class Quotas(_Part):
    """Requests per second with burst, requests per day and month, batch rows per day; None = no limit."""

    per_second: int = Field(default=50, ge=1, le=100_000)
    burst: int = Field(default=100, ge=1, le=200_000)
    per_day: int | None = Field(default=None, ge=1)
    per_month: int | None = Field(default=None, ge=1)
    batch_rows_per_day: int | None = Field(default=None, ge=1)


class TimeOfDay(_Part):
    """Local time of Vietnam (UTC+7)."""

    start: time
    end: time


class Conditions(_Part):
    officer_required: bool = False
    case_required: bool = False
    consent_required: bool = False
    time_of_day: TimeOfDay | None = None


class AgreementTerms(_Part):
    """What the parties agree on; the same in every state."""

    consumer_agency: AgencyCode
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
    def _dates_in_order(self) -> "AgreementTerms":
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        names = [grant.operation for grant in self.operations]
        if len(names) != len(set(names)):
            raise ValueError("an operation is listed twice")
        return self


class Agreement(AgreementTerms):
    """A version of an agreement in a state; also the document on topic `gateway.agreement.v1`."""

    agreement_id: AgreementId
    version: int = Field(ge=1)
    state: AgreementState
    consumer_name: str = ""
    """The consumer agency in words, so that a citizen's page needs no second source."""
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
