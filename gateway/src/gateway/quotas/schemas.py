"""What is told of quotas and their use."""

from datetime import date, datetime
from typing import Literal

from ndx_contracts.base import Output


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
    """One agency's use under one agreement."""

    agency: str
    agreement: str
    per_second: int
    burst: int
    batch_rows_per_day: int | None
    """A limit that the services' batch operations keep themselves."""
    day: PeriodUse
    month: PeriodUse
    updated_at: datetime | None
    """When the tally was last written; Envoy reports every five seconds. Null = nothing was used yet."""


class UsageList(Output):
    items: list[UsageOut]


class UsagePage(Output):
    items: list[UsageOut]
    next_cursor: str | None
