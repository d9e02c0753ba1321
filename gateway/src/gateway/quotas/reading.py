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

_HUNDRED = 100


def _periods(day: date) -> dict[Period, date]:
    return {Period.DAY: day, Period.MONTH: day.replace(day=1)}


def _period_use(
    calendar: Calendar, period: Period, starts_on: date, quotas: Quotas, row: QuotaUse | None
) -> PeriodUse:
    limit = quotas.per_day if period is Period.DAY else quotas.per_month
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
    day: date,
    groups: Iterable[Group],
    quotas: Mapping[str, Quotas],
) -> list[UsageOut]:
    wanted = list(groups)
    if not wanted:
        return []
    starts = _periods(day)
    rows = await repository.uses(session, [(p.value, s) for p, s in starts.items()], groups=wanted)
    by_key = {(r.agency, r.agreement_id, r.period): r for r in rows}
    found = []
    for agency, agreement in wanted:
        terms = quotas.get(agreement, Quotas())
        mine = {p: by_key.get((agency, agreement, p.value)) for p in Period}
        found.append(
            UsageOut(
                agency=agency,
                agreement=agreement,
                per_second=terms.per_second,
                burst=terms.burst,
                batch_rows_per_day=terms.batch_rows_per_day,
                day=_period_use(calendar, Period.DAY, starts[Period.DAY], terms, mine[Period.DAY]),
                month=_period_use(calendar, Period.MONTH, starts[Period.MONTH], terms, mine[Period.MONTH]),
                updated_at=max((r.updated_at for r in mine.values() if r is not None), default=None),
            )
        )
    return found


async def usage_of(session: AsyncSession, calendar: Calendar, agency: str, now: datetime) -> UsageList:
    """Return an agency's use under every agreement that binds it and has a quota by day or month."""
    bound = await agreements.consumed_by(session, agency)
    quotas = {a.agreement_id: a.quotas for a in bound if a.quotas.metered}
    groups = [(agency, agreement) for agreement in sorted(quotas)]
    return UsageList(items=await _usage(session, calendar, calendar.day(now), groups, quotas))


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
    items = await _usage(session, calendar, day, groups, quotas)
    return UsagePage(items=items, next_cursor=" ".join(groups[-1]) if len(rows) > limit else None)
