"""Clock door: contents are erased on time; a subscription ends with its agreement or agency."""

from datetime import UTC, datetime, timedelta

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.telemetry import log

from gateway.agencies import service as agencies
from gateway.agencies.vocabulary import AgencyState
from gateway.agreements import reading as agreements
from gateway.agreements.steps import Clock
from gateway.feeds import repository
from gateway.feeds.desk import settings_of
from gateway.feeds.handing_over import ENTITY
from gateway.feeds.models import SubscriptionState


async def erase(runtime: Runtime) -> None:
    """Erase what is past its time today."""
    await erase_at(runtime, datetime.now(UTC))


async def erase_at(runtime: Runtime, now: datetime) -> None:
    """Erase contents that were not fetched, or were long ago, and what is left of events much later."""
    settings = settings_of(runtime)
    async with runtime.sessions() as session, session.begin():
        expired, erased = await repository.erase(
            session,
            undelivered_before=now - timedelta(days=settings.feeds_undelivered_days),
            done_before=now - timedelta(days=settings.feeds_delivered_days),
            rows_before=now - timedelta(days=settings.feeds_rows_days),
        )
    if expired or erased:
        log.info("feed_contents_erased", expired=expired, erased=erased)


async def end_orphans(runtime: Runtime) -> None:
    """End subscriptions whose agreement is over or whose agency is closed.

    Nothing was handed over since that moment anyway: every hand-over asks.
    """
    async with runtime.sessions() as session:
        found = await repository.open_subscriptions(session)
        standing = await agreements.standing_ids(session, {one.agreement_id for one in found})
        known = {one.code: one.state for one in await agencies.registry(session)} if found else {}
    for one in found:
        identifier = one.id
        closed = known.get(one.agency) == AgencyState.CLOSED.value
        if one.agreement_id in standing and not closed:
            continue
        async with runtime.sessions() as session, session.begin():
            subscription = await repository.find(session, identifier, lock=True)
            if subscription is None or subscription.state == SubscriptionState.ENDED.value:
                continue
            subscription.state = SubscriptionState.ENDED.value
            subscription.state_reason = "agency-closed" if closed else "agreement-ended"
            subscription.updated_at = datetime.now(UTC)
            await repository.clear(session, identifier)
            await record_audit(
                session,
                Clock(),
                action="feed_end",
                entity_type=ENTITY,
                entity_id=identifier,
                details={"reason": subscription.state_reason},
            )
