"""Quotas of whole agencies, and quotas that are used up, as the compiler must know them."""

from dataclasses import dataclass

from gateway.quotas.periods import Period

WHOLE_AGENCY = "*"
"""Stands where an agreement's id would: all agreements of the agency together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Units by day and month; None = no limit."""

    per_day: int | None = None
    per_month: int | None = None

    def of(self, period: Period) -> int | None:
        return self.per_day if period is Period.DAY else self.per_month

    @property
    def metered(self) -> bool:
        """Tell whether there is a limit, so that calls must be counted."""
        return self.per_day is not None or self.per_month is not None


@dataclass(frozen=True, slots=True)
class AgencyQuota:
    """What one agency may use under all its agreements together."""

    agency: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Spent:
    """It is told to Envoy so that refusals say so, and when the quota begins anew."""

    agency: str
    agreement_id: str
    until: int
    """Unix time at which the next period begins."""
    period: Period = Period.MONTH

    @property
    def whole_agency(self) -> bool:
        return self.agreement_id == WHOLE_AGENCY
