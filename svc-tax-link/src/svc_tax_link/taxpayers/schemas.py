"""What callers send and see of taxpayers."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from pydantic import AfterValidator, StringConstraints

from svc_tax_link.taxpayers.tax_code import parse_tax_code

LegacyTaxCode = Annotated[str, StringConstraints(max_length=20), AfterValidator(parse_tax_code)]
"""10 digits with a right check digit, or 13 with a branch."""


class TaxpayerIn(Input):
    """A person to be registered under the personal ID.

    `name` and `birth_date` are what the tax register holds of the person: when they do not fit the
    population database the taxpayer waits as PENDING_ID_UPDATE. Without them the data held there are taken.
    """

    personal_id: PersonalId
    legacy_tax_code: LegacyTaxCode | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=150)] | None = None
    birth_date: date | None = None


class TaxpayerOut(Output):
    """A taxpayer; `mismatches` name what did not fit, never its value, at the call that found it."""

    taxpayer_id: UUID
    personal_id: PersonalId
    state: str
    legacy_tax_codes: tuple[str, ...]
    name: str | None
    birth_date: date | None
    fetched_at: datetime | None
    died_on: date | None
    registered_at: datetime
    mismatches: tuple[str, ...] = ()
