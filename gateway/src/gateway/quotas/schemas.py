"""What is told of quotas and their use."""

from datetime import date, datetime
from typing import Annotated, Literal

from ndx_contracts.bodies import Input, Output
from pydantic import Field, StringConstraints

MOST_UNITS = 10**15
"""Far above any use; it keeps sums within the tally's integers."""


class PeriodUse(Output):
    """Use in one day or month; a call counts as many units as its operation costs."""

    period: Literal["DAY", "MONTH"]
    starts_on: date
    resets_at: datetime
    limit: int | None
    """Units; null = no quota for this period."""
    used: int
    left: int | None
    percent: int | None
    calls: int
    refused: int
    """Calls that found the quota used up, in this period."""


class UsageOut(Output):
    """One agency's use under one agreement, or under all together."""

    agency: str
    agreement: str
    """`*` = the quota of the whole agency, over all its agreements."""
    per_second: int | None
    burst: int | None
    """Null for the whole agency."""
    batch_rows_per_day: int | None
    """A limit that the services' batch operations keep themselves."""
    day: PeriodUse
    month: PeriodUse
    updated_at: datetime | None
    """When the tally was last written; Envoy reports every five seconds. Null = nothing was used yet."""


class AgencyQuotaIn(Input):
    """What a whole agency may use, over all its agreements; both null = no such quota."""

    per_day: int | None = Field(default=None, ge=1, le=MOST_UNITS)
    per_month: int | None = Field(default=None, ge=1, le=MOST_UNITS)
    """Units: a call counts as many as its operation costs."""
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]


class AgencyQuotaOut(Output):
    agency: str
    per_day: int | None
    per_month: int | None


class UsageList(Output):
    items: list[UsageOut]


class UsagePage(Output):
    items: list[UsageOut]
    next_cursor: str | None
