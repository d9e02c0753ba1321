"""What a holder sends and sees of consents."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose
from pydantic import AwareDatetime, Field, field_validator

LONGEST = timedelta(days=5 * 366)
"""Nobody consents for ever: after five years they are asked again."""


class ConsentIn(Input):
    agency: AgencyCode
    purpose: Purpose
    field_groups: Annotated[list[FieldGroup], Field(min_length=1)]
    valid_until: AwareDatetime

    @field_validator("valid_until")
    @classmethod
    def _ends_in_the_future(cls, value: datetime) -> datetime:
        if not timedelta(0) < value - datetime.now(UTC) <= LONGEST:
            raise ValueError("it ends in the future, within five years")
        return value


class ConsentOut(Output):
    id: UUID
    agency: str
    purpose: Purpose
    field_groups: list[FieldGroup]
    given_at: datetime
    valid_until: datetime
    withdrawn_at: datetime | None
    in_force: bool


class ConsentList(Output):
    items: list[ConsentOut]
