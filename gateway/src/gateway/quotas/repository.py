"""All SQL about quotas."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.quotas.desk import Group
from gateway.quotas.models import AgencyQuotaRow, QuotaGrant, QuotaSource, QuotaUse
from gateway.quotas.periods import Period
from gateway.quotas.spent import Limits

# One statement for all rows of a batch: arrays, sorted, so that two control planes lock in the same order.
_COUNT = text("""
    INSERT INTO quota_uses AS u (agency, agreement_id, period, starts_on, units, calls, refused,
                                 unit_limit, announced, spent, updated_at)
    SELECT agency, agreement_id, period, starts_on, units, calls, refused, unit_limit, 0, false, :now
    FROM unnest(CAST(:agency AS text[]), CAST(:agreement_id AS text[]), CAST(:period AS text[]),
                CAST(:starts_on AS date[]), CAST(:units AS bigint[]), CAST(:calls AS bigint[]),
                CAST(:refused AS bigint[]), CAST(:unit_limit AS bigint[]))
         AS r (agency, agreement_id, period, starts_on, units, calls, refused, unit_limit)
    ON CONFLICT (agency, agreement_id, period, starts_on) DO UPDATE SET
        units = u.units + excluded.units, calls = u.calls + excluded.calls,
        refused = u.refused + excluded.refused, unit_limit = excluded.unit_limit, updated_at = :now
    RETURNING agency, agreement_id, period, starts_on, units, announced, spent
""")
_KEEP = text("""
    INSERT INTO quota_grants AS g (id, source, agency, agreement_id, cost, granted, reported, calls,
                                   sent_at, day)
    SELECT id, :source, agency, agreement_id, cost, granted, reported, calls, sent_at, day
    FROM unnest(CAST(:id AS uuid[]), CAST(:agency AS text[]), CAST(:agreement_id AS text[]),
                CAST(:cost AS integer[]), CAST(:granted AS bigint[]), CAST(:reported AS bigint[]),
                CAST(:calls AS bigint[]), CAST(:sent_at AS timestamptz[]), CAST(:day AS date[]))
         AS r (id, agency, agreement_id, cost, granted, reported, calls, sent_at, day)
    ON CONFLICT (id) DO UPDATE SET source = excluded.source, granted = excluded.granted,
        reported = excluded.reported, calls = excluded.calls, sent_at = excluded.sent_at, day = excluded.day
""")
_CLAIM = text("""
    INSERT INTO quota_sources AS s (id, batch, seen_at) VALUES (:id, :batch, :now)
    ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, seen_at = excluded.seen_at
    WHERE s.batch < excluded.batch RETURNING batch
""")


@dataclass(frozen=True, slots=True)
class Use:
    """What is added to one row of the tally."""

    group: Group
    period: Period
    starts_on: date
    units: int
    calls: int
    refused: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Count:
    """A row of the tally after the addition; it is held until the transaction ends."""

    units: int
    announced: int
    spent: bool


async def claim(session: AsyncSession, source: UUID, batch: int, now: datetime) -> bool:
    """Tell whether this batch of the control plane has not been counted yet, and note that it is."""
    return (await session.execute(_CLAIM, {"id": source, "batch": batch, "now": now})).first() is not None


async def count(
    session: AsyncSession, uses: Sequence[Use], now: datetime
) -> dict[tuple[Group, Period], Count]:
    """Add to the tally and return what it comes to."""
    if not uses:
        return {}
    rows = sorted(uses, key=lambda u: (u.group, u.period, u.starts_on))
    columns: dict[str, list[Any]] = {
        "agency": [u.group[0] for u in rows],
        "agreement_id": [u.group[1] for u in rows],
        "period": [u.period.value for u in rows],
        "starts_on": [u.starts_on for u in rows],
        "units": [u.units for u in rows],
        "calls": [u.calls for u in rows],
        "refused": [u.refused for u in rows],
        "unit_limit": [u.limit for u in rows],
    }
    found = await session.execute(_COUNT, {**columns, "now": now})
    return {
        ((r.agency, r.agreement_id), Period(r.period)): Count(r.units, r.announced, r.spent) for r in found
    }


async def mark(
    session: AsyncSession, group: Group, period: Period, starts_on: date, *, announced: int, spent: bool
) -> None:
    """Note which threshold was told, and whether nothing is left."""
    row = await session.get_one(
        QuotaUse, (group[0], group[1], period.value, starts_on), populate_existing=True
    )
    row.announced, row.spent = announced, spent
    await session.flush()


async def keep(session: AsyncSession, source: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Keep what Envoys were assigned and have reported."""
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        await session.execute(_KEEP, {**columns, "source": source})


_FORGET = text("DELETE FROM quota_grants WHERE id = ANY(CAST(:ids AS uuid[]))")
AT_A_TIME = 5000
"""Agreements that are asked for in one statement: PostgreSQL takes 32,767 parameters."""


async def forget(session: AsyncSession, ids: Collection[UUID]) -> None:
    if ids:
        await session.execute(_FORGET, {"ids": list(ids)})


async def grants(session: AsyncSession, groups: Collection[Group], since: datetime) -> list[QuotaGrant]:
    """Return the assignments that may still hold, of each agency under each agreement the latest first."""
    ordered = sorted(groups)
    found: list[QuotaGrant] = []
    for first in range(0, len(ordered), AT_A_TIME):
        some = ordered[first : first + AT_A_TIME]
        mine = tuple_(QuotaGrant.agency, QuotaGrant.agreement_id).in_(some)
        statement = select(QuotaGrant).where(mine, QuotaGrant.sent_at > since)
        found += (await session.scalars(statement.order_by(QuotaGrant.sent_at.desc()))).all()
    return found


async def grants_of_agencies(
    session: AsyncSession, agencies: Collection[str], since: datetime
) -> list[QuotaGrant]:
    """Return the assignments of whole agencies that may still hold."""
    if not agencies:
        return []
    mine = QuotaGrant.agency.in_(agencies) & (QuotaGrant.sent_at > since)
    return list((await session.scalars(select(QuotaGrant).where(mine))).all())


async def agency_limits(session: AsyncSession, agencies: Collection[str] | None = None) -> dict[str, Limits]:
    """Return the quotas of whole agencies: of these, or all."""
    if agencies is not None and not agencies:
        return {}
    statement = select(AgencyQuotaRow.agency, AgencyQuotaRow.per_day, AgencyQuotaRow.per_month)
    statement = statement.where(AgencyQuotaRow.per_day.is_not(None) | AgencyQuotaRow.per_month.is_not(None))
    if agencies is not None:
        statement = statement.where(AgencyQuotaRow.agency.in_(sorted(agencies)))
    rows = await session.execute(statement.order_by(AgencyQuotaRow.agency))
    return {row.agency: Limits(row.per_day, row.per_month) for row in rows}


async def set_agency_limits(session: AsyncSession, agency: str, limits: Limits, now: datetime) -> Limits:
    """Set an agency's quota, holding its row; return what it was before."""
    row = await session.get(AgencyQuotaRow, agency, with_for_update=True)
    before = Limits() if row is None else Limits(row.per_day, row.per_month)
    if row is None:
        row = AgencyQuotaRow(agency=agency)
        session.add(row)
    row.per_day, row.per_month, row.changed_at = limits.per_day, limits.per_month, now
    await session.flush()
    return before


async def begin_agency(
    session: AsyncSession, agency: str, period: Period, *, starts_on: date, limit: int | None, now: datetime
) -> Count:
    """Bring a whole agency's row of the tally up to what its agreements' rows say, and return it."""
    given = {"agency": agency, "period": period.value, "starts_on": starts_on, "limit": limit, "now": now}
    row = (await session.execute(_BEGIN_AGENCY, given)).one()
    return Count(row.units, row.announced, row.spent)


_BEGIN_AGENCY = text("""
    INSERT INTO quota_uses AS u (agency, agreement_id, period, starts_on, units, calls, refused,
                                 unit_limit, announced, spent, updated_at)
    SELECT CAST(:agency AS text), '*', CAST(:period AS text), CAST(:starts_on AS date),
           coalesce(sum(units), 0), coalesce(sum(calls), 0), coalesce(sum(refused), 0),
           CAST(:limit AS bigint), 0, false, CAST(:now AS timestamptz)
    FROM quota_uses
    WHERE agency = :agency AND period = :period AND starts_on = :starts_on AND agreement_id <> '*'
    ON CONFLICT (agency, agreement_id, period, starts_on) DO UPDATE SET
        units = greatest(u.units, excluded.units), calls = greatest(u.calls, excluded.calls),
        refused = greatest(u.refused, excluded.refused), unit_limit = excluded.unit_limit,
        updated_at = excluded.updated_at
    RETURNING units, announced, spent
""")


async def sources(session: AsyncSession, since: datetime) -> set[UUID]:
    """Return the control planes that have counted something since then."""
    return set((await session.scalars(select(QuotaSource.id).where(QuotaSource.seen_at > since))).all())


async def spent(session: AsyncSession, period: Period, starts_on: date) -> Sequence[QuotaUse]:
    """Return the rows of which nothing is left."""
    statement = select(QuotaUse).where(
        QuotaUse.period == period.value, QuotaUse.starts_on == starts_on, QuotaUse.spent
    )
    return (await session.scalars(statement.order_by(QuotaUse.agreement_id, QuotaUse.agency))).all()


async def uses(
    session: AsyncSession,
    periods: Collection[tuple[str, date]],
    *,
    agency: str | None = None,
    groups: Collection[Group] | None = None,
) -> Sequence[QuotaUse]:
    statement = select(QuotaUse).where(tuple_(QuotaUse.period, QuotaUse.starts_on).in_(periods))
    if agency is not None:
        statement = statement.where(QuotaUse.agency == agency)
    if groups is not None:
        statement = statement.where(tuple_(QuotaUse.agency, QuotaUse.agreement_id).in_(groups))
    return (await session.scalars(statement)).all()


async def page(
    session: AsyncSession,
    periods: Collection[tuple[str, date]],
    *,
    agency: str | None,
    agreement_id: str | None,
    after: Group | None,
    limit: int,
) -> Sequence[Group]:
    """Return agencies and agreements that used something, in order."""
    key = tuple_(QuotaUse.agency, QuotaUse.agreement_id)
    statement = select(QuotaUse.agency, QuotaUse.agreement_id).distinct()
    statement = statement.where(tuple_(QuotaUse.period, QuotaUse.starts_on).in_(periods))
    if agency is not None:
        statement = statement.where(QuotaUse.agency == agency)
    if agreement_id is not None:
        statement = statement.where(QuotaUse.agreement_id == agreement_id)
    if after is not None:
        statement = statement.where(key > after)
    rows = await session.execute(statement.order_by(QuotaUse.agency, QuotaUse.agreement_id).limit(limit))
    return [(row.agency, row.agreement_id) for row in rows]


_CORRECT = text("""
    WITH missing AS (
        SELECT u.agency, u.agreement_id, r.units - u.units AS units, greatest(0, r.calls - u.calls) AS calls
        FROM unnest(CAST(:agency AS text[]), CAST(:agreement_id AS text[]), CAST(:units AS bigint[]),
                    CAST(:calls AS bigint[])) AS r (agency, agreement_id, units, calls)
        JOIN quota_uses u USING (agency, agreement_id)
        WHERE u.period = 'DAY' AND u.starts_on = :day AND r.units > u.units
    )
    UPDATE quota_uses u SET units = u.units + m.units, calls = u.calls + m.calls, updated_at = :now
    FROM missing m
    WHERE u.agency = m.agency AND u.agreement_id = m.agreement_id
      AND ((u.period = 'DAY' AND u.starts_on = :day) OR (u.period = 'MONTH' AND u.starts_on = :month))
    RETURNING u.period, m.units
""")


async def correct(
    session: AsyncSession,
    counted: Mapping[Group, tuple[int, int]],
    *,
    day: date,
    now: datetime,
) -> int:
    """Raise tallies of a day, and of its month, to what was counted elsewhere; return the units added."""
    if not counted:
        return 0
    given = {
        "agency": [agency for agency, _ in counted],
        "agreement_id": [agreement for _, agreement in counted],
        "units": [units for units, _ in counted.values()],
        "calls": [calls for _, calls in counted.values()],
        "day": day,
        "month": day.replace(day=1),
        "now": now,
    }
    return sum(r.units for r in await session.execute(_CORRECT, given) if r.period == Period.DAY)


async def clear(session: AsyncSession, *, uses_before: date, grants_before: datetime) -> None:
    """Delete what nobody asks for any more."""
    await session.execute(delete(QuotaUse).where(QuotaUse.starts_on < uses_before))
    await session.execute(delete(QuotaGrant).where(QuotaGrant.sent_at < grants_before))
    await session.execute(delete(QuotaSource).where(QuotaSource.seen_at < grants_before))
