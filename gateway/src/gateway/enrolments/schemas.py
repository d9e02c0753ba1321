"""Lists of agencies that an operator registers in one request, and what became of each."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from ndx_contracts.agreements import SystemCode
from ndx_contracts.bodies import Input, Output
from pydantic import Field, model_validator

from gateway.agencies.schemas import AgencyIn

MOST = 200
"""Agencies in one request: it stays well within the time and the size that the door allows."""


class EnrolmentIn(Input):
    """An agency with one of its systems."""

    agency: AgencyIn
    system: SystemCode
    renew: bool = False
    """Give a new code although the system has a certificate already."""


class EnrolmentsIn(Input):
    items: Annotated[list[EnrolmentIn], Field(min_length=1, max_length=MOST)]

    @model_validator(mode="after")
    def _each_once(self) -> "EnrolmentsIn":
        names = [(item.agency.code, item.system) for item in self.items]
        if len(names) != len(set(names)):
            raise ValueError("a system is listed twice")
        return self


class Outcome(StrEnum):
    """What became of one: a first code, a new code, nothing because it has a certificate, or a refusal."""

    REGISTERED = "REGISTERED"
    CODE_RENEWED = "CODE_RENEWED"
    ENROLLED_BEFORE = "ENROLLED_BEFORE"
    REFUSED = "REFUSED"


class EnrolledOut(Output):
    """The one-time code is shown once; only its hash is kept."""

    agency: str
    system: str
    outcome: Outcome
    enrolment_code: str | None = None
    expires_at: datetime | None = None
    problem: str | None = None
    """Code of the refusal."""
    detail: str | None = None


class EnrolmentsOut(Output):
    items: list[EnrolledOut]
