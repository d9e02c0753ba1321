"""The clock of certificates: overlaps that end, and warnings before the end."""

from datetime import UTC, datetime, timedelta
from math import ceil

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.outbox import publish

from gateway.certificates import repository
from gateway.certificates.events import expiring
from gateway.certificates.models import CertificateState
from gateway.certificates.service import Holder
from gateway.notices import announce

WARN_DAYS = (1, 7, 14, 30)


async def end_overlaps(runtime: Runtime) -> None:
    """Make replaced certificates SUPERSEDED when their overlap is over: Envoy refuses them from then on."""
    async with runtime.sessions() as session, session.begin():
        ended = await repository.overlaps_over(session, datetime.now(UTC))
        for row in ended:
            row.state = CertificateState.SUPERSEDED.value
            await record_audit(
                session,
                Holder("clock"),
                action="certificate_superseded",
                entity_type="certificate",
                entity_id=row.serial,
                details={"replaced_by": row.replaced_by},
            )
        if ended:
            await announce(session, "certificate")


async def warn_of_expiry(runtime: Runtime) -> None:
    """Announce good certificates that end in 30, 14, 7 and 1 days and were not renewed, each step once."""
    now = datetime.now(UTC)
    async with runtime.sessions() as session, session.begin():
        for row in await repository.ending(session, now, now + timedelta(days=WARN_DAYS[-1])):
            step = next(days for days in WARN_DAYS if row.not_after <= now + timedelta(days=days))
            if row.warned_days is None or row.warned_days > step:
                row.warned_days = step
                left = ceil((row.not_after - now) / timedelta(days=1))
                await publish(session, expiring(row, days_left=left))
    runtime.nudge()
