"""What a cancellation asks and answers; the request for a number is `ndx_contracts.population`."""

from datetime import date
from typing import Annotated
from uuid import UUID

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import Sex
from pydantic import StringConstraints

from svc_population.personal_ids.models import CancellationCause

Reference = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DecisionIn(Input):
    """The decision of the head of the body that runs the population database."""

    number: Reference
    decided_on: date
    decided_by: Reference


class CancellationIn(Input):
    """Why a number is cancelled, the decision, and the corrected facts that the new number is made from."""

    cause: CancellationCause
    decision: DecisionIn
    valid_from: date
    sex: Sex | None = None
    birth_date: date | None = None
    birth_registration_province_code: ProvinceCode | None = None
    birth_registration_commune_code: CommuneCode | None = None


class CancellationOut(Output):
    person_id: UUID
    old_personal_id: PersonalId
    personal_id: PersonalId
    """The re-established number."""


class PrefixOut(Output):
    """How much of a prefix (place, sex and century, year) is given out, and when it will be used up."""

    prefix: str
    taken: int
    left: int
    percent: int
    first_taken_on: date
    expected_exhaustion_on: date | None
    """At the pace until now; null: not while births of that year are registered."""


class PrefixesOut(Output):
    items: tuple[PrefixOut, ...]
