"""The clock door of births: those that wait for a number are asked for again."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ndx_chassis.app import Runtime
from ndx_chassis.jobs import Job
from ndx_chassis.telemetry import extract, inbound, is_sampled, log, span

from svc_civil_registry.births import numbering, repository
from svc_civil_registry.births.numbering import AWAY, settings_of
from svc_civil_registry.births.schemas import BirthOut


@dataclass(frozen=True, slots=True)
class Clock:
    """The actor of what the job does."""

    request_id: str
    actor: str = "job/births_awaiting_number"
    officer: str | None = None
    case_id: str | None = None


async def ask_for_waiting(runtime: Runtime) -> None:
    """Take due births, a few at a time, for as long as at least one of them gets through."""
    settings = settings_of(runtime)
    while True:
        async with runtime.sessions() as session, session.begin():
            due = await repository.claim_due_requests(
                session, limit=settings.number_concurrency, lease=settings.number_lease_seconds
            )
        if not due:
            return
        results = await asyncio.gather(*(_attempt(runtime, row) for row in due), return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException):
                # The lease runs out and the birth is taken again; the others are not held up.
                log.error("number_attempt_crashed", error=type(failure).__name__)
        if not any(isinstance(r, BirthOut) for r in results):
            return
        # The provider is back: what waits only because it was away need not wait longer.
        async with runtime.sessions() as session, session.begin():
            await repository.hasten_requests(session, error=AWAY)


async def _attempt(runtime: Runtime, queued: Any) -> BirthOut | None:
    async with runtime.sessions() as session, session.begin():
        waiting = await numbering.waiting_from(session, queued)
    if waiting is None:
        return None
    header = queued.traceparent
    with ExitStack() as stack:
        # The attempt belongs to the trace of the declaration, however much later it comes.
        stack.enter_context(inbound(header))
        if header is not None and is_sampled(header):
            stack.enter_context(span("births.ask_for_waiting", parent=extract({"traceparent": header})))
        return await numbering.obtain(runtime, waiting, actor=Clock(str(waiting.request.request_id)))


BIRTHS_AWAITING_NUMBER = Job("births_awaiting_number", 1.0, ask_for_waiting)
