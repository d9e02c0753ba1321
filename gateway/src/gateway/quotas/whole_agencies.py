"""Use cases: give a whole agency a quota over all its agreements, change it, take it away."""

from datetime import datetime

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import Role
from gateway.notices import announce
from gateway.quotas import repository
from gateway.quotas.periods import Calendar, Period
from gateway.quotas.schemas import AgencyQuotaIn, AgencyQuotaOut
from gateway.quotas.service import tell_of
from gateway.quotas.spent import WHOLE_AGENCY, AgencyQuota, Limits


async def set_quota(
    session: AsyncSession,
    operator: Operator,
    calendar: Calendar,
    *,
    agency: str,
    wanted: AgencyQuotaIn,
    now: datetime,
) -> AgencyQuotaOut:
    """Set what an agency may use by day and month under all its agreements together.

    What its agreements' tallies hold of today and of this month counts at once; calls under agreements that
    were not counted until now are added from Envoy's log, those of today.

    Raises:
        RoleMissing, AgencyNotFound
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await agencies.agency_named(session, agency)
    limits = Limits(wanted.per_day, wanted.per_month)
    before = await repository.set_agency_limits(session, agency, limits, now)
    for period in Period:
        start = calendar.start(period, now)
        count = await repository.begin_agency(
            session, agency, period, starts_on=start, limit=limits.of(period), now=now
        )
        what = ((agency, WHOLE_AGENCY), period)
        await tell_of(session, calendar, what, limits=limits, smallest=1, count=count, now=now)
    await record_audit(
        session,
        operator,
        action="agency_quota_set",
        entity_type="agency",
        entity_id=agency,
        details={
            "reason": wanted.reason,
            "before": {"per_day": before.per_day, "per_month": before.per_month},
            "per_day": limits.per_day,
            "per_month": limits.per_month,
        },
    )
    await announce(session, "quota")
    return AgencyQuotaOut(agency=agency, per_day=limits.per_day, per_month=limits.per_month)


async def all_quotas(session: AsyncSession) -> tuple[AgencyQuota, ...]:
    """Return the quotas of whole agencies, for the compiler of Envoy's configuration."""
    found = await repository.agency_limits(session)
    return tuple(AgencyQuota(agency, limits) for agency, limits in found.items())
