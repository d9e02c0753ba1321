"""Use cases of operators with every kind of run: ask for it, approve it as a second one, cancel it, look.

Their doors let in operators of the register's owner alone. Each step leaves an audit entry under the name of
the run's kind; the work itself, all that is between approval and end, is each kind's own.
"""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller, Operator
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.operator_runs import repository
from svc_population.operator_runs.models import OperatorRun

Run = TypeVar("Run", bound=OperatorRun)


async def request(session: AsyncSession, operator: Operator, run: Run) -> Run:
    """Write down what an operator wants; a second one must approve it.

    Raises:
        under_way: another run of its kind has not ended.
    """
    await begin(session, run)
    return await _stepped(session, operator, run, "requested")


async def begin(session: AsyncSession, run: OperatorRun) -> None:
    """Store a run.

    Raises:
        under_way: another one of its kind has not ended.
    """
    if not await repository.add(session, run):
        raise run.under_way


async def approve(session: AsyncSession, operator: Operator, kind: type[Run], run_id: UUID) -> Run:
    """Let it be done.

    Raises:
        not_found: there is none.
        SecondOperatorNeeded: the operator asked for it.
        step_refused: it was approved or has ended.
    """
    run = await _held(session, kind, run_id)
    run.approve(operator.login)
    return await _stepped(session, operator, run, "approved")


async def cancel(session: AsyncSession, operator: Operator, kind: type[Run], run_id: UUID) -> Run:
    """Stop it; what it did stays. Anybody of the owner may: it takes nothing from anyone.

    Raises:
        not_found: there is none.
        step_refused: it has ended.
    """
    run = await _held(session, kind, run_id)
    run.cancel(operator.login)
    return await _stepped(session, operator, run, "cancelled")


async def get(session: AsyncSession, kind: type[Run], run_id: UUID) -> Run:
    """Return a run.

    Raises:
        not_found: there is none.
    """
    run = await repository.find(session, kind, run_id)
    if run is None:
        raise kind.not_found
    return run


async def newest(
    session: AsyncSession, kind: type[Run], *, cursor: UUID | None, limit: int
) -> tuple[Sequence[Run], UUID | None]:
    """Return runs, the newest first, and the cursor of what follows."""
    rows = await repository.latest(session, kind, before=cursor, limit=limit + 1)
    shown = rows[:limit]
    return shown, shown[-1].id if len(rows) > limit else None


async def end(session: AsyncSession, run: OperatorRun, state: str) -> None:
    """Let a run end, and write down what it came to."""
    run.end(state)
    counts: dict[str, object] = {name: getattr(run, name) for name in run.counted}
    await record(session, run.caller(), run, "ended", {"state": run.state, **counts})


async def record(
    session: AsyncSession, who: Caller | Operator, run: OperatorRun, step: str, details: dict[str, object]
) -> None:
    """Write the audit entry of a step."""
    await record_audit(
        session,
        who,
        action=f"{run.kind}_{step}",
        entity_type=run.entity_type(),
        entity_id=run.id,
        details=details,
    )


async def _held(session: AsyncSession, kind: type[Run], run_id: UUID) -> Run:
    run = await repository.find(session, kind, run_id, lock=True)
    if run is None:
        raise kind.not_found
    return run


async def _stepped(session: AsyncSession, operator: Operator, run: Run, step: str) -> Run:
    await session.flush()
    await session.refresh(run)
    named: dict[str, object] = {name: getattr(run, name) for name in run.named}
    await record(session, operator, run, step, {"state": run.state, **named})
    return run
