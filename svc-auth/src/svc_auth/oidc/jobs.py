"""Clock door of the protocol: ended log-ins, grants and old counters are deleted."""

from datetime import UTC, datetime, timedelta

from ndx_chassis.app import Runtime
from ndx_chassis.jobs import Job

from svc_auth.authenticators.service import forget_counters
from svc_auth.oidc.service import forget_ended as forget_grants
from svc_auth.sessions.service import forget_ended as forget_transactions

_COUNTERS_KEPT = timedelta(days=14)


async def forget_ended(runtime: Runtime) -> None:
    async with runtime.sessions() as session, session.begin():
        await forget_transactions(session)
        await forget_grants(session)
        await forget_counters(session, datetime.now(UTC) - _COUNTERS_KEPT)


FORGET_ENDED = Job("ended_logins", 900.0, forget_ended)
