"""What callers send and see of dependants."""

from datetime import date
from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from pydantic import StringConstraints

Month = Annotated[str, StringConstraints(pattern=r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])$")]
"""`2026-11`."""


class DependantClaimIn(Input):
    """A parent who is a taxpayer claims a child from a month on."""

    dependant_personal_id: PersonalId
    from_month: Month


class SettlementIn(Input):
    """Whose months they are that several claims count of one dependant, and by which document."""

    payer_personal_id: PersonalId
    document: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DependantOut(Output):
    """A dependant and the months in which this taxpayer counts them."""

    dependant_id: UUID
    personal_id: PersonalId
    name: str
    birth_date: date
    relation: str
    from_month: Month
    to_month: Month | None
    state: str


class MonthsOut(Output):
    """Months from the first to the last one, both included; no last one: no end."""

    from_month: Month
    to_month: Month | None


class CountedDependantOut(DependantOut):
    """A dependant as one taxpayer counts them, and the months in which another claim counts them too.

    That is so where two records of the dependant were merged; an office decides whose months they are.
    """

    counted_twice: tuple[MonthsOut, ...]


class DependantsOut(Output):
    """All dependants of one taxpayer, latest claim first."""

    items: tuple[CountedDependantOut, ...]
    next_cursor: str | None = None
