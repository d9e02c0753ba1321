"""What operators send and get about agencies and systems."""

from datetime import datetime
from typing import Annotated

from ndx_contracts.agreements import AgencyClass, AgencyCode, CommuneCode, ProvinceCode, SystemCode
from ndx_contracts.bodies import Input, Output
from pydantic import StringConstraints

from gateway.agencies.vocabulary import AgencyState

Name = Annotated[str, StringConstraints(min_length=2, max_length=200)]


class AgencyIn(Input):
    code: AgencyCode
    name: Name
    name_en: Name
    agency_class: AgencyClass
    parent: AgencyCode | None = None
    province_code: ProvinceCode | None = None
    commune_code: CommuneCode | None = None


class AgencyOut(Output):
    code: str
    name: str
    name_en: str
    agency_class: AgencyClass
    state: AgencyState
    parent: str | None
    province_code: str | None
    commune_code: str | None


class AgencyPage(Output):
    items: list[AgencyOut]
    next_cursor: str | None


class SystemIn(Input):
    code: SystemCode


class EnrolmentOut(Output):
    """The one-time code is shown once; only its hash is kept."""

    agency: str
    system: str
    enrolment_code: str
    expires_at: datetime


class OpenEnrolment(Output):
    """A code that was given out and not used yet."""

    agency: str
    system: str
    expires_at: datetime
    tries_left: int


class OpenEnrolmentList(Output):
    items: list[OpenEnrolment]


class ReasonIn(Input):
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]
