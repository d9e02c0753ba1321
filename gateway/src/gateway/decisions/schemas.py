"""A would-be call, and what would become of it."""

from datetime import datetime
from typing import Annotated

from ndx_contracts.agreements import CommuneCode, OperationName, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.refusal import Layer
from pydantic import AwareDatetime, Field, StringConstraints, model_validator

Text = Annotated[str, StringConstraints(max_length=128)]


class ExplanationIn(Input):
    """A would-be call: the operation by its name, or method and path as they would be sent."""

    operation: OperationName | None = None
    method: Annotated[str | None, StringConstraints(pattern="^[A-Z]{3,7}$")] = None
    path: Annotated[str | None, StringConstraints(pattern="^/", max_length=2000)] = None
    purpose: Text | None = None
    officer: Text | None = None
    case_id: Text | None = None
    field_groups: tuple[FieldGroup, ...] = ()
    """What would be asked for."""
    province_code: ProvinceCode | None = None
    """Where the person lives, when the caller knows."""
    commune_code: CommuneCode | None = None
    at: AwareDatetime | None = Field(default=None, description="When; now by default. Decides on hours only.")

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "ExplanationIn":
        if (self.operation is None) is (self.method is None and self.path is None):
            raise ValueError("name either the operation, or method and path")
        if (self.method is None) is not (self.path is None):
            raise ValueError("a method needs its path, and a path its method")
        return self


class RefusalOut(Output):
    """Why not, and what to do."""

    code: str
    status: int
    title: str
    title_vi: str
    detail: str
    remedy: str
    who_can_help: str
    refused_by: Layer
    page: str


class QuotaOut(Output):
    """What the agreement gives; what is left of the day is not known to every control plane."""

    per_second: int
    burst: int
    per_day: int | None
    per_month: int | None
    batch_rows_per_day: int | None
    left_today: int | None


class ExplanationOut(Output):
    """Whether the call would be allowed; nothing was called and no quota was used."""

    allowed: bool
    refusal: RefusalOut | None
    operation: str | None
    agreement: str | None
    agreement_version: int | None
    field_groups: list[FieldGroup]
    """What the agreement lets the operation give."""
    quota: QuotaOut | None
    still_to_be_checked: list[str]
    """What only the provider can know when the call comes: the person's consent, and where they live."""
    decided_at: datetime
