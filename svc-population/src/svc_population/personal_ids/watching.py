"""Use cases about prefixes: list how full they are, announce those that fill, show them as metrics."""

from collections.abc import Iterable
from datetime import UTC, datetime

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_chassis.metrics import gauge
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_contracts.events import PersonalIdPrefixFilling
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.personal_ids import repository
from svc_population.personal_ids.foresight import PrefixUse
from svc_population.personal_ids.models import PersonalIdCounter
from svc_population.personal_ids.personal_id import SERIALS
from svc_population.personal_ids.schemas import PrefixesOut, PrefixOut

_SHOWN_FROM = 50
"""Percent from which a prefix has a line of its own among the metrics: there are few of them, if any."""


def _use(counter: PersonalIdCounter) -> PrefixUse:
    return PrefixUse(counter.prefix, counter.taken, counter.first_taken_at.astimezone(VIETNAM).date())


async def list_prefixes(session: AsyncSession, *, least_percent: int, limit: int) -> PrefixesOut:
    """Return the fullest prefixes first."""
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    counters = await repository.counters(session, least=least_percent * SERIALS // 100, limit=limit)
    return PrefixesOut(
        items=tuple(
            PrefixOut(
                prefix=use.prefix,
                taken=min(use.taken, SERIALS),
                left=max(SERIALS - use.taken, 0),
                percent=use.percent,
                first_taken_on=use.first_taken_on,
                expected_exhaustion_on=use.expected_on(today),
            )
            for use in map(_use, counters)
        )
    )


async def announce_filling(runtime: Runtime) -> int:
    """Announce each prefix that reached another threshold, once; return how many."""
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    announced = 0
    async with runtime.sessions() as session, session.begin():
        for counter in await repository.counters_to_watch(session):
            use = _use(counter)
            level = use.level(today)
            if level <= counter.announced:
                continue
            counter.announced = level
            expected = use.expected_on(today)
            await publish(
                session,
                PersonalIdPrefixFilling(
                    prefix=use.prefix, percent=use.percent, taken=use.taken, expected_exhaustion_on=expected
                ),
            )
            log.warning("personal_id_prefix_filling", prefix=use.prefix, percent=use.percent)
            announced += 1
    if announced:
        runtime.nudge()
    return announced


async def prefix_use(_runtime: Runtime, session: AsyncSession) -> Iterable[Metric]:
    """Return how full the fuller prefixes are, as a source of metrics."""
    counters = await repository.counters(session, least=_SHOWN_FROM * SERIALS // 100, limit=200)
    values: dict[tuple[str, ...], float] = {(c.prefix,): min(c.taken / SERIALS, 1.0) for c in counters}
    words = "Share of a prefix's million numbers that is given out, where it is half or more."
    return [gauge("ndx_personal_ids_prefix_used", words, values, ("ndx_personal_id_prefix",))]
