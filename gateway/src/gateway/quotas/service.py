"""Use cases: count what Envoys report, and share what is left of each quota among them.

An agency may have quotas of its own over all its agreements: then it has a row in the tally like each of its
agreements, and what it has left is shared among their buckets.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ndx_chassis.outbox import publish
from ndx_contracts.agreements import Agreement
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
from gateway.quotas.holders import TIME_TO_LIVE, Bucket, Holder, Terms
from gateway.quotas.periods import Calendar, Period
from gateway.quotas.repository import Count, Use
from gateway.quotas.spent import WHOLE_AGENCY, Limits, Spent

THRESHOLDS = (100, 80)
"""Percent of a quota at which an event tells of it, the highest first."""
SILENT_AFTER = timedelta(seconds=15)
"""A control plane that has counted nothing for so long has no Envoys any more."""
BACK_WITHIN = timedelta(seconds=60)
"""After a longer absence of the control plane an Envoy may be another one than before, and begins anew."""


@dataclass(slots=True)
class _Sum:
    """Use under one agreement, or of a whole agency, in one batch."""

    limits: Limits
    smallest: int
    """The least cost of a call among the buckets."""
    units: int = 0
    calls: int = 0
    refused: int = 0

    def add(self, other: "_Sum") -> None:
        self.smallest = min(self.smallest, other.smallest)
        self.units += other.units
        self.calls += other.calls
        self.refused += other.refused


Sums = dict[Group, _Sum]
"""By agency and agreement; a whole agency's is under `WHOLE_AGENCY`."""


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
    wholes = await repository.agency_limits(session, {p[1].agency for p in outcome.holders})
    sums = await _sums(session, desk, outcome, used=used, wholes=wholes, now=now)
    every = sums | _of_agencies(sums, wholes)
    counts = await repository.count(session, _uses(desk.calendar, every, now, new=new), now)
    for (group, period), count in counts.items():
        what = every[group]
        await tell_of(
            session,
            desk.calendar,
            (group, period),
            limits=what.limits,
            smallest=what.smallest,
            count=count,
            now=now,
        )
    lefts = {
        group: _left(total.limits, {period: counts[group, period] for period in Period})
        for group, total in every.items()
    }
    places = grouped(desk, outcome, sums)
    here = {holder.id for group in places.values() for holder in group.values()}
    foreign = await _foreign(session, desk, sums, wholes=wholes, here=here, now=now)
    for pool in _pools(sums, foreign, wholes):
        rests = [
            Rest(_terms(g, sums, wholes), lefts.get(g), places.get(g, {}), foreign.get(g, ())) for g in pool
        ]
        whole = lefts.get((pool[0][0], WHOLE_AGENCY))
        share(outcome, rests, whole, desk.calendar.day(now), now)
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
    session: AsyncSession,
    desk: Desk,
    outcome: Outcome,
    *,
    used: Mapping[Place, int],
    wholes: Mapping[str, Limits],
    now: datetime,
) -> Sums:
    """Return what is to be counted and decided; a bucket whose agreement has no quota is given up.

    One agreement of an agency with a quota of its own brings all its others with it: they share what is left.
    """
    day = desk.calendar.day(now)
    moved = {
        group_of(place[1])
        for place, holder in outcome.holders.items()
        if used[place] or holder.refused or holder.day != day or not holder.stands(now)
    }
    shared = {agency for agency, _ in moved} & wholes.keys()
    if shared:
        moved |= {group for group in desk.groups if group[0] in shared}
    standing = await _standing(session, moved)
    found: Sums = {}
    for group, places in grouped(desk, outcome, moved).items():
        agreement = standing.get(group[1])
        if agreement is None or not (agreement.quotas.metered or group[0] in wholes):
            outcome.orders += [Order(*place, calls=None) for place in sorted(places, key=lambda p: p[0])]
            continue
        limits = Limits(agreement.quotas.per_day, agreement.quotas.per_month)
        for place, holder in places.items():
            cost, calls = place[1].cost, used.get(place, 0)
            refused = holder.refused if place in used else 0
            total = found.setdefault(group, _Sum(limits, cost))
            total.add(_Sum(limits, cost, units=calls * cost, calls=calls, refused=refused))
    return found


async def _standing(session: AsyncSession, groups: Iterable[Group]) -> dict[str, Agreement]:
    named = sorted({agreement for _, agreement in groups})
    found: dict[str, Agreement] = {}
    for first in range(0, len(named), repository.AT_A_TIME):
        found |= await agreements.standing(session, named[first : first + repository.AT_A_TIME])
    return found


def _of_agencies(sums: Sums, wholes: Mapping[str, Limits]) -> Sums:
    """Return the use of each agency that has a quota over all its agreements."""
    found: Sums = {}
    for (agency, _), total in sums.items():
        if agency in wholes:
            group = (agency, WHOLE_AGENCY)
            found.setdefault(group, _Sum(wholes[agency], total.smallest)).add(total)
    return found


def _terms(group: Group, sums: Sums, wholes: Mapping[str, Limits]) -> Terms:
    return (sums[group].limits if group in sums else Limits()), wholes.get(group[0])


def _pools(sums: Sums, foreign: Iterable[Group], wholes: Mapping[str, Limits]) -> list[list[Group]]:
    """Return which agreements draw on one rest: each alone, or all of an agency with its own quota."""
    pools: dict[Group, list[Group]] = {}
    for group in sorted({*sums, *foreign}):
        pools.setdefault((group[0], WHOLE_AGENCY) if group[0] in wholes else group, []).append(group)
    return list(pools.values())


def _uses(calendar: Calendar, sums: Sums, now: datetime, *, new: bool) -> list[Use]:
    return [
        Use(
            group,
            period,
            calendar.start(period, now),
            units=total.units if new else 0,
            calls=total.calls if new else 0,
            refused=total.refused if new else 0,
            limit=total.limits.of(period),
        )
        for group, total in sums.items()
        for period in Period
    ]


def _left(limits: Limits, counts: Mapping[Period, Count]) -> int | None:
    """Return the units that are left of the narrower quota; None without one."""
    found = [limit - counts[p].units for p in Period if (limit := limits.of(p)) is not None]
    return min(found, default=None)


async def tell_of(
    session: AsyncSession,
    calendar: Calendar,
    what: tuple[Group, Period],
    *,
    limits: Limits,
    smallest: int,
    count: Count,
    now: datetime,
) -> None:
    """Tell once of each threshold, and tell Envoy's configuration of a quota that is used up.

    `smallest` is the least that a call costs.
    """
    group, period = what
    limit, start = limits.of(period), calendar.start(period, now)
    spent = limit is not None and count.units + smallest > limit
    step = 0 if limit is None else next((t for t in THRESHOLDS if count.units * 100 >= t * limit), 0)
    step = 100 if spent else step
    if spent == count.spent and step <= count.announced:
        return
    told = max(step, count.announced)
    await repository.mark(session, group, period, start, announced=told, spent=spent)
    if spent != count.spent:
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
    session: AsyncSession,
    desk: Desk,
    groups: Iterable[Group],
    *,
    wholes: Mapping[str, Limits],
    here: set[UUID],
    now: datetime,
) -> dict[Group, list[Holder]]:
    """Return what Envoys hold that are connected to other control planes."""
    others = await repository.sources(session, now - SILENT_AFTER) - {desk.source}
    found: dict[Group, list[Holder]] = {}
    if others:
        since, asked = now - TIME_TO_LIVE, set(groups)
        rows = await repository.grants(session, {g for g in asked if g[0] not in wholes}, since)
        rows += await repository.grants_of_agencies(session, {g[0] for g in asked} & wholes.keys(), since)
        for row in rows:
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


async def spent(session: AsyncSession, calendar: Calendar, now: datetime) -> tuple[Spent, ...]:
    """Return the quotas of this day and month of which nothing is left."""
    found: list[Spent] = []
    for period in Period:
        start = calendar.start(period, now)
        until = int(calendar.end(period, start).timestamp())
        found += [
            Spent(row.agency, row.agreement_id, until, period)
            for row in await repository.spent(session, period, start)
        ]
    return tuple(found)
