"""Use cases of operators: ask for a search, approve it as a second one, cancel it, look at what came out.

The search itself is done by a process of its own (`working`), which the service never imports.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.caller import Operator
from ndx_chassis.ids import new_id
from ndx_chassis.metrics import gauge
from prometheus_client.core import Metric
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.dedupe import repository
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.schemas import DedupeRunIn, DedupeRunOut, DedupeRunsOut
from svc_population.dedupe.vocabulary import EngineName, RunState
from svc_population.operator_runs import service as operator_runs


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
    return _out(await operator_runs.request(session, operator, run))


async def approve_run(session: AsyncSession, operator: Operator, run_id: UUID) -> DedupeRunOut:
    """Let a worker do it.

    Raises:
        DedupeRunNotFound: there is none.
        SecondOperatorNeeded: the operator asked for it.
        DedupeStepRefused: it was approved or has ended.
    """
    return _out(await operator_runs.approve(session, operator, DedupeRun, run_id))


async def cancel_run(session: AsyncSession, operator: Operator, run_id: UUID) -> DedupeRunOut:
    """Stop a run; cases that it opened stay.

    Raises:
        DedupeRunNotFound: there is none.
        DedupeStepRefused: it has ended.
    """
    return _out(await operator_runs.cancel(session, operator, DedupeRun, run_id))


async def get_run(session: AsyncSession, run_id: UUID) -> DedupeRunOut:
    """Return how far a run is and what came out.

    Raises:
        DedupeRunNotFound: there is none.
    """
    return _out(await operator_runs.get(session, DedupeRun, run_id))


async def list_runs(session: AsyncSession, *, cursor: UUID | None, limit: int) -> DedupeRunsOut:
    """Return runs, the newest first."""
    runs, following = await operator_runs.newest(session, DedupeRun, cursor=cursor, limit=limit)
    return DedupeRunsOut(items=tuple(_out(r) for r in runs), next_cursor=following)


def _out(run: DedupeRun) -> DedupeRunOut:
    return DedupeRunOut.model_validate(run, from_attributes=True)


async def files_left(_runtime: Runtime, session: AsyncSession) -> Iterable[Metric]:
    """Return for how long work files of a search that has ended may be left, as a source of metrics."""
    since = await repository.oldest_left(session)
    age = 0.0 if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds())
    words = (
        "For how long work files of an ended search for duplicates have been on the disk; 0 when none are."
    )
    return [gauge("ndx_dedupe_files_left_seconds", words, {(): age})]
