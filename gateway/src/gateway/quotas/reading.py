"""What agencies and operators see of quotas and their use."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from ndx_contracts.agreements import Quotas
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements import reading as agreements
from gateway.quotas import repository
from gateway.quotas.desk import Group
from gateway.quotas.models import QuotaUse
from gateway.quotas.periods import Calendar, Period
from gateway.quotas.schemas import PeriodUse, UsageList, UsageOut, UsagePage
from gateway.quotas.spent import WHOLE_AGENCY, Limits

_HUNDRED = 100


def _periods(day: date) -> dict[Period, date]:
    return {Period.DAY: day, Period.MONTH: day.replace(day=1)}


def _period_use(
    calendar: Calendar, period: Period, starts_on: date, limits: Limits, row: QuotaUse | None
) -> PeriodUse:
    limit = limits.of(period)
    used = 0 if row is None else row.units
    return PeriodUse(
        period=period.value,
        starts_on=starts_on,
        resets_at=calendar.end(period, starts_on),
        limit=limit,
        used=used,
        left=None if limit is None else max(0, limit - used),
        percent=None if limit is None else used * _HUNDRED // limit,
        calls=0 if row is None else row.calls,
        refused=0 if row is None else row.refused,
    )


async def _usage(
    session: AsyncSession,
    calendar: Calendar,
    *,
    day: date,
    groups: Iterable[Group],
    quotas: Mapping[str, Quotas],
    wholes: Mapping[str, Limits],
) -> list[UsageOut]:
    wanted = list(groups)
    if not wanted:
        return []
    starts = _periods(day)
    rows = await repository.uses(session, [(p.value, s) for p, s in starts.items()], groups=wanted)
    by_key = {(r.agency, r.agreement_id, r.period): r for r in rows}
    found = []
    for agency, agreement in wanted:
        whole = agreement == WHOLE_AGENCY
        terms = quotas.get(agreement, Quotas())
        limits = wholes.get(agency, Limits()) if whole else Limits(terms.per_day, terms.per_month)
        mine = {p: by_key.get((agency, agreement, p.value)) for p in Period}
        found.append(
            UsageOut(
                agency=agency,
                agreement=agreement,
                per_second=None if whole else terms.per_second,
                burst=None if whole else terms.burst,
                batch_rows_per_day=None if whole else terms.batch_rows_per_day,
                day=_period_use(calendar, Period.DAY, starts[Period.DAY], limits, mine[Period.DAY]),
                month=_period_use(calendar, Period.MONTH, starts[Period.MONTH], limits, mine[Period.MONTH]),
                updated_at=max((r.updated_at for r in mine.values() if r is not None), default=None),
            )
        )
    return found


async def usage_of(session: AsyncSession, calendar: Calendar, agency: str, now: datetime) -> UsageList:
    """Return an agency's use: in all, if that is limited, and under each agreement that is counted."""
    wholes = await repository.agency_limits(session, {agency})
    bound = await agreements.consumed_by(session, agency)
    quotas = {a.agreement_id: a.quotas for a in bound if wholes or a.quotas.metered}
    named = sorted(quotas) if not wholes else [WHOLE_AGENCY, *sorted(quotas)]
    groups = [(agency, agreement) for agreement in named]
    return UsageList(
        items=await _usage(
            session, calendar, day=calendar.day(now), groups=groups, quotas=quotas, wholes=wholes
        )
    )


async def page_of_usage(
    session: AsyncSession,
    calendar: Calendar,
    *,
    day: date,
    agency: str | None,
    agreement_id: str | None,
    cursor: str,
    limit: int,
) -> UsagePage:
    """Return who used what on a day, and in its month until now."""
    after = tuple(cursor.split(" ", 1)) if " " in cursor else None
    rows = await repository.page(
        session,
        [(p.value, s) for p, s in _periods(day).items()],
        agency=agency,
        agreement_id=agreement_id,
        after=None if after is None else (after[0], after[1]),
        limit=limit + 1,
    )
    groups = list(rows[:limit])
    standing = await agreements.standing(session, sorted({name for _, name in groups}))
    quotas = {name: agreement.quotas for name, agreement in standing.items()}
    wholes = await repository.agency_limits(session, {agency for agency, _ in groups})
    items = await _usage(session, calendar, day=day, groups=groups, quotas=quotas, wholes=wholes)
    return UsagePage(items=items, next_cursor=" ".join(groups[-1]) if len(rows) > limit else None)
