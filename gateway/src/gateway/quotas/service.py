"""Use cases: count what Envoys report, and share what is left of each quota among them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ndx_chassis.outbox import publish
from ndx_contracts.agreements import Agreement, Quotas
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agreements import reading as agreements
from gateway.notices import announce
from gateway.quotas import repository
from gateway.quotas.desk import (
    Batch,
    Desk,
    Group,
    Order,
    Outcome,
    Place,
    Rest,
    group_of,
    grouped,
    renew,
    share,
)
from gateway.quotas.events import reached
from gateway.quotas.holders import TIME_TO_LIVE, Bucket, Holder
from gateway.quotas.periods import Calendar, Period
from gateway.quotas.repository import Count, Use
from gateway.quotas.spent import Spent

THRESHOLDS = (100, 80)
"""Percent of a quota at which an event tells of it, the highest first."""
SILENT_AFTER = timedelta(seconds=15)
"""A control plane that has counted nothing for so long has no Envoys any more."""
BACK_WITHIN = timedelta(seconds=60)
"""After a longer absence of the control plane an Envoy may be another one than before, and begins anew."""


@dataclass(slots=True)
class _Sum:
    """One agency's use under one agreement, in one batch."""

    quotas: Quotas
    smallest: int
    """The least cost of a call among the buckets."""
    units: int = 0
    calls: int = 0
    refused: int = 0


def limit_of(quotas: Quotas, period: Period) -> int | None:
    return quotas.per_day if period is Period.DAY else quotas.per_month


async def take_in(session: AsyncSession, desk: Desk, batch: Batch, *, now: datetime) -> Outcome:
    """Count a batch, decide who may go on, and say what changed.

    A batch that was counted before, because the answer to its commit was lost, is not counted again.
    """
    new = await repository.claim(session, desk.source, batch.number, now)
    outcome = Outcome(await _holders(session, desk, batch, now))
    used: dict[Place, int] = {}
    for report in batch.reports:
        place = (report.stream, report.bucket)
        used[place] = used.get(place, 0) + outcome.holders[place].take(report, now)
    sums = await _sums(session, desk, outcome, used, now)
    counts = await repository.count(session, _uses(desk.calendar, sums, now, new=new), now)
    for (group, period), count in counts.items():
        await _announce(session, desk.calendar, (group, period), sums[group], count, now=now)
    places = grouped(desk, outcome, sums)
    here = {holder.id for group in places.values() for holder in group.values()}
    foreign = await _foreign(session, desk, sums, here, now)
    for group, total in sums.items():
        left = _left(total, {period: counts[group, period] for period in Period})
        rest = Rest(total.quotas, left, desk.calendar.day(now), foreign.get(group, ()))
        share(outcome, places[group], rest, now)
    renew(outcome, now)
    await _keep(session, desk, outcome, used)
    return outcome


async def _holders(session: AsyncSession, desk: Desk, batch: Batch, now: datetime) -> dict[Place, Holder]:
    """Return copies of the reported holders; who comes back goes on with what it was assigned."""
    found = {
        p: copy(desk.holders[p]) for p in {(r.stream, r.bucket) for r in batch.reports} & desk.holders.keys()
    }
    back = {(r.stream, r.bucket) for r in batch.reports if not r.fresh} - found.keys()
    if back:
        waiting: dict[Bucket, list[Place]] = defaultdict(list)
        for place in sorted(back, key=lambda p: -p[0]):
            waiting[place[1]].append(place)
        taken = {h.id for h in desk.holders.values()}
        groups = {group_of(bucket) for _, bucket in back}
        lately = await repository.sources(session, now - BACK_WITHIN)
        for row in await repository.grants(session, groups, now - TIME_TO_LIVE):
            bucket = Bucket(row.agency, row.agreement_id, row.cost)
            if row.id in taken or row.source not in lately or not waiting[bucket]:
                continue
            found[waiting[bucket].pop()] = Holder(
                bucket,
                id=row.id,
                granted=row.granted,
                reported=row.reported,
                calls=row.calls,
                sent_at=row.sent_at,
                day=row.day,
                settled=True,
            )
    for report in batch.reports:
        found.setdefault((report.stream, report.bucket), Holder(report.bucket))
    return found


async def _sums(
    session: AsyncSession, desk: Desk, outcome: Outcome, used: Mapping[Place, int], now: datetime
) -> dict[Group, _Sum]:
    """Return what is to be counted and decided; a bucket whose agreement has no quota is given up."""
    day = desk.calendar.day(now)
    moved = {
        group_of(place[1])
        for place, holder in outcome.holders.items()
        if used[place] or holder.refused or holder.day != day or not holder.stands(now)
    }
    named = sorted({agreement for _, agreement in moved})
    standing: dict[str, Agreement] = {}
    for first in range(0, len(named), repository.AT_A_TIME):
        standing |= await agreements.standing(session, named[first : first + repository.AT_A_TIME])
    found: dict[Group, _Sum] = {}
    for place, holder in sorted(outcome.holders.items(), key=lambda item: item[0][0]):
        group, cost = group_of(place[1]), place[1].cost
        if group not in moved:
            continue
        agreement = standing.get(group[1])
        if agreement is None or not agreement.quotas.metered:
            outcome.orders.append(Order(*place, calls=None))
            continue
        total = found.setdefault(group, _Sum(agreement.quotas, cost))
        total.smallest = min(total.smallest, cost)
        total.units += used[place] * cost
        total.calls += used[place]
        total.refused += holder.refused
    return found


def _uses(calendar: Calendar, sums: Mapping[Group, _Sum], now: datetime, *, new: bool) -> list[Use]:
    return [
        Use(
            group,
            period,
            calendar.start(period, now),
            units=total.units if new else 0,
            calls=total.calls if new else 0,
            refused=total.refused if new else 0,
            limit=limit_of(total.quotas, period),
        )
        for group, total in sums.items()
        for period in Period
    ]


def _left(total: _Sum, counts: Mapping[Period, Count]) -> int:
    """Return the units that are left of the narrower quota."""
    limits = {period: limit_of(total.quotas, period) for period in Period}
    return min(limit - counts[period].units for period, limit in limits.items() if limit is not None)


async def _announce(
    session: AsyncSession,
    calendar: Calendar,
    what: tuple[Group, Period],
    total: _Sum,
    count: Count,
    *,
    now: datetime,
) -> None:
    """Tell once of each threshold, and tell Envoy's configuration of a month that is used up."""
    group, period = what
    limit, start = limit_of(total.quotas, period), calendar.start(period, now)
    spent = limit is not None and count.units + total.smallest > limit
    step = 0 if limit is None else next((t for t in THRESHOLDS if count.units * 100 >= t * limit), 0)
    step = 100 if spent else step
    if spent == count.spent and step <= count.announced:
        return
    told = max(step, count.announced)
    await repository.mark(session, group, period, start, announced=told, spent=spent)
    if spent != count.spent and period is Period.MONTH:
        await announce(session, "quota")
    if limit is not None and step > count.announced:
        event = reached(
            *group,
            period=period,
            starts_on=start,
            limit=limit,
            used=count.units,
            percent=step,
            resets_at=calendar.end(period, start),
        )
        await publish(session, event)


async def _foreign(
    session: AsyncSession, desk: Desk, groups: Iterable[Group], here: set[UUID], now: datetime
) -> dict[Group, list[Holder]]:
    """Return what Envoys hold that are connected to other control planes."""
    others = await repository.sources(session, now - SILENT_AFTER) - {desk.source}
    found: dict[Group, list[Holder]] = {}
    if others:
        for row in await repository.grants(session, set(groups), now - TIME_TO_LIVE):
            if row.source in others and row.id not in here:
                bucket = Bucket(row.agency, row.agreement_id, row.cost)
                holder = Holder(bucket, row.id, row.granted, row.reported, row.calls)
                found.setdefault(group_of(bucket), []).append(holder)
    return found


async def _keep(session: AsyncSession, desk: Desk, outcome: Outcome, used: Mapping[Place, int]) -> None:
    given_up = {(o.stream, o.bucket) for o in outcome.orders if o.calls is None}
    ordered = {(o.stream, o.bucket) for o in outcome.orders}
    rows = [
        {
            "id": holder.id,
            "agency": holder.bucket.agency,
            "agreement_id": holder.bucket.agreement_id,
            "cost": holder.bucket.cost,
            "granted": holder.granted,
            "reported": holder.reported,
            "calls": holder.calls,
            "sent_at": holder.sent_at,
            "day": holder.day,
        }
        for place, holder in outcome.holders.items()
        if (used.get(place) or place in ordered) and place not in given_up and holder.sent_at is not None
    ]
    await repository.keep(session, desk.source, rows)
    await repository.forget(session, {outcome.holders[p].id for p in given_up & outcome.holders.keys()})


async def spent_months(session: AsyncSession, calendar: Calendar, now: datetime) -> tuple[Spent, ...]:
    """Return the quotas of this month of which nothing is left."""
    month = calendar.month(now)
    until = int(calendar.end(Period.MONTH, month).timestamp())
    rows = await repository.spent(session, Period.MONTH, month)
    return tuple(Spent(row.agency, row.agreement_id, until) for row in rows)
