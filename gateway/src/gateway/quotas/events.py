"""Quotas as they are announced."""

from datetime import date, datetime

from ndx_contracts.events.gateway import QuotaReached

from gateway.quotas.periods import Period


def reached(
    agency: str,
    agreement_id: str,
    *,
    period: Period,
    starts_on: date,
    limit: int,
    used: int,
    percent: int,
    resets_at: datetime,
) -> QuotaReached:
    return QuotaReached(
        agency=agency,
        agreement_id=agreement_id,
        period=period.value,
        starts_on=starts_on,
        limit=limit,
        used=used,
        percent=percent,
        resets_at=resets_at,
    )
