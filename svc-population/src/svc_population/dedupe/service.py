"""Use cases of operators: ask for a search, approve it as a second one, cancel it, look at what came out.

The search itself is done by a process of its own (`working`), which the service never imports.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.ids import new_id
from ndx_chassis.metrics import gauge
from prometheus_client.core import Metric
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.dedupe import repository
from svc_population.dedupe.errors import (
    DedupeRunNotFound,
    DedupeRunUnderWay,
    DedupeStepRefused,
    RoleMissing,
    SecondOperatorNeeded,
)
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.schemas import DedupeRunIn, DedupeRunOut, DedupeRunsOut
from svc_population.dedupe.vocabulary import EngineName, RunState, Stage

OWNER = "G01"
"""Ministry of Public Security: whose register this is, and who suspects the duplicates in it."""
ENTITY = "dedupe-run"


async def request_run(session: AsyncSession, operator: Operator, body: DedupeRunIn) -> DedupeRunOut:
    """Write down that an operator wants a search; a second one must approve it.

    Raises:
        DedupeRunUnderWay: another one has not ended.
    """
    run = DedupeRun(
        id=new_id(),
        state=RunState.REQUESTED.value,
        engine=EngineName.DUCKDB.value,
        model_version="",
        officer=operator.login,
        case_id=body.case_id,
    )
    if not await repository.add(session, run):
        raise DedupeRunUnderWay
    return await _answer(session, operator, run, "dedupe_run_requested")


async def approve_run(session: AsyncSession, operator: Operator, run_id: UUID) -> DedupeRunOut:
    """Let a worker do it.

    Raises:
        DedupeRunNotFound: there is none.
        SecondOperatorNeeded: the operator asked for it.
        DedupeStepRefused: it was approved or has ended.
    """
    run = await _held(session, run_id)
    if run.officer.casefold() == operator.login.casefold():
        raise SecondOperatorNeeded
    if run.state != RunState.REQUESTED:
        raise DedupeStepRefused(f"It is {run.state}.")
    run.state, run.approved_by = RunState.APPROVED.value, operator.login
    return await _answer(session, operator, run, "dedupe_run_approved")


async def cancel_run(session: AsyncSession, operator: Operator, run_id: UUID) -> DedupeRunOut:
    """Stop a run; cases that it opened stay. Anybody of the owner may: it takes nothing from anyone.

    Raises:
        DedupeRunNotFound: there is none.
        DedupeStepRefused: it has ended.
    """
    run = await _held(session, run_id)
    if run.state in {RunState.REQUESTED, RunState.APPROVED}:
        # No process has read anything for it.
        run.state = RunState.CANCELLED.value
        run.finished_at = run.erased_at = func.clock_timestamp()
    elif run.state == RunState.RUNNING:
        run.state = RunState.CANCELLING.value
    elif run.state != RunState.CANCELLING:
        raise DedupeStepRefused(f"It is {run.state}.")
    run.cancelled_by = operator.login
    return await _answer(session, operator, run, "dedupe_run_cancelled")


async def get_run(session: AsyncSession, run_id: UUID) -> DedupeRunOut:
    """Return how far a run is and what came out.

    Raises:
        DedupeRunNotFound: there is none.
    """
    run = await repository.find(session, run_id)
    if run is None:
        raise DedupeRunNotFound
    return _out(run)


async def list_runs(session: AsyncSession, *, cursor: UUID | None, limit: int) -> DedupeRunsOut:
    """Return runs, the newest first."""
    rows = await repository.latest(session, before=cursor, limit=limit + 1)
    shown = rows[:limit]
    return DedupeRunsOut(
        items=tuple(_out(r) for r in shown), next_cursor=shown[-1].id if len(rows) > limit else None
    )


def require_owner(operator: Operator) -> None:
    """Refuse operators of other agencies.

    Raises:
        RoleMissing: the operator is not of the register's owner.
    """
    if operator.agency != OWNER:
        raise RoleMissing(f"An operator of {OWNER} must do it: the register is theirs.")


async def _held(session: AsyncSession, run_id: UUID) -> DedupeRun:
    run = await repository.find(session, run_id, lock=True)
    if run is None:
        raise DedupeRunNotFound
    return run


async def _answer(session: AsyncSession, operator: Operator, run: DedupeRun, action: str) -> DedupeRunOut:
    await session.flush()
    await session.refresh(run)
    await record_audit(
        session,
        operator,
        action=action,
        entity_type=ENTITY,
        entity_id=run.id,
        details={"state": run.state, "case_id": run.case_id},
    )
    return _out(run)


def _out(run: DedupeRun) -> DedupeRunOut:
    return DedupeRunOut(
        id=run.id,
        state=RunState(run.state),
        stage=None if run.stage is None else Stage(run.stage),
        engine=EngineName(run.engine),
        model_version=run.model_version or None,
        model_digest=run.model_digest,
        case_id=run.case_id,
        requested_by=run.officer,
        approved_by=run.approved_by,
        cancelled_by=run.cancelled_by,
        persons=run.persons,
        parts=run.parts,
        compared=run.compared,
        pairs=run.pairs,
        settled=run.settled,
        sure=run.sure,
        review=run.review,
        rules=run.rules,
        opened=run.opened,
        known=run.known,
        deferred=run.deferred,
        resumed=run.resumed,
        requested_at=run.requested_at,
        started_at=run.started_at,
        progress_at=run.progress_at,
        finished_at=run.finished_at,
        erased_at=run.erased_at,
    )


async def files_left(_runtime: Runtime, session: AsyncSession) -> Iterable[Metric]:
    """Return for how long work files of a search that has ended may be left, as a source of metrics."""
    since = await repository.oldest_left(session)
    age = 0.0 if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds())
    words = (
        "For how long work files of an ended search for duplicates have been on the disk; 0 when none are."
    )
    return [gauge("ndx_dedupe_files_left_seconds", words, {(): age})]
