"""The clock door: agreements begin on their first day and end after their last by themselves."""

from datetime import date

from ndx_chassis.app import Runtime
from ndx_contracts.agreements import AgreementState

from gateway.agreements import repository
from gateway.agreements.steps import Clock, Held, today


async def follow_calendar(runtime: Runtime) -> None:
    """Do what is due today."""
    await begin_and_end(runtime, today())


async def begin_and_end(runtime: Runtime, day: date) -> None:
    """Begin approved versions whose first day has come, and end those past their last."""
    async with runtime.sessions() as session:
        due = await repository.due(session, day)
    for agreement_id in due:
        async with runtime.sessions() as session, session.begin():
            # One that an operator is changing now has its turn in the next round.
            if not await repository.lock(session, agreement_id, wait=False):
                continue
            found = Held(session, Clock(), list(await repository.versions(session, agreement_id)))
            waiting = found.open
            if waiting is not None and waiting.state == AgreementState.APPROVED and waiting.valid_from <= day:
                await found.begin(waiting)
            current = found.standing
            if current is not None and current.valid_to is not None and current.valid_to < day:
                await found.step(current, "expire")
    if due:
        runtime.nudge()
