"""Use cases of operators: ask for cases, approve as a second one, cancel, look; and slices of the work."""

from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.caller import Operator
from ndx_chassis.ids import new_id
from ndx_chassis.telemetry import log
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.operator_runs import service as operator_runs
from svc_population.quality import indicators, people
from svc_population.quality import service as quality
from svc_population.quality.errors import QualityRuleUnknown
from svc_population.quality_cases import repository
from svc_population.quality_cases.models import QualityCaseRun
from svc_population.quality_cases.schemas import QualityCaseRunIn, QualityCaseRunOut, QualityCaseRunsOut
from svc_population.quality_cases.vocabulary import CaseRunState
from svc_population.reconciliation.faults import Fault, open_faults

SLICE = 200
"""People of one transaction."""
_SLICES = 50
"""Transactions of one run of the job, so that other jobs of the leader have their turn."""


async def request_run(session: AsyncSession, operator: Operator, body: QualityCaseRunIn) -> QualityCaseRunOut:
    """Write down that an operator wants cases; a second one must approve it.

    Raises:
        QualityNotCounted: nobody was counted yet.
        QualityRuleUnknown: no such rule is counted.
        QualityCaseRunUnderWay: another run has not ended.
    """
    await quality.counted_rule(session, body.rule)
    run = QualityCaseRun(
        id=new_id(),
        state=CaseRunState.REQUESTED.value,
        rule=body.rule,
        province_code=body.province_code,
        case_id=body.case_id,
        officer=operator.login,
    )
    return _out(await operator_runs.request(session, operator, run))


async def approve_run(session: AsyncSession, operator: Operator, run_id: UUID) -> QualityCaseRunOut:
    """Let the cases be opened.

    Raises:
        QualityCaseRunNotFound: there is none.
        SecondOperatorNeeded: the operator asked for it.
        QualityCaseStepRefused: it was approved or has ended.
    """
    return _out(await operator_runs.approve(session, operator, QualityCaseRun, run_id))


async def cancel_run(session: AsyncSession, operator: Operator, run_id: UUID) -> QualityCaseRunOut:
    """Stop a run behind the slice under way; cases that it opened stay.

    Raises:
        QualityCaseRunNotFound: there is none.
        QualityCaseStepRefused: it has ended.
    """
    return _out(await operator_runs.cancel(session, operator, QualityCaseRun, run_id))


async def get_run(session: AsyncSession, run_id: UUID) -> QualityCaseRunOut:
    """Return how far a run is and what came of it.

    Raises:
        QualityCaseRunNotFound: there is none.
    """
    return _out(await operator_runs.get(session, QualityCaseRun, run_id))


async def list_runs(session: AsyncSession, *, cursor: UUID | None, limit: int) -> QualityCaseRunsOut:
    """Return runs, the newest first."""
    runs, following = await operator_runs.newest(session, QualityCaseRun, cursor=cursor, limit=limit)
    return QualityCaseRunsOut(items=tuple(_out(r) for r in runs), next_cursor=following)


async def work(runtime: Runtime) -> int:
    """Open the cases of the next slices of the approved run; return how many slices."""
    for done in range(_SLICES):
        async with runtime.sessions() as session, session.begin():
            if not await advance(session):
                return done
    return _SLICES


async def advance(session: AsyncSession) -> bool:
    """Open the cases of one slice of the approved run; False when there is nothing to do."""
    run = await repository.approved(session)
    if run is None:
        return False
    try:
        if run.communes is None:
            communes = await indicators.communes_with_faults(
                session, run.rule, province_code=run.province_code
            )
            run.nowhere = communes.pop("", 0)
            run.communes = sorted(communes)
        if run.communes:
            await _slice(session, run, run.communes[0])
    except QualityRuleUnknown:
        await _end(session, run, CaseRunState.FAILED)
        return True
    run.progress_at = func.clock_timestamp()
    if not run.communes:
        await _end(session, run, CaseRunState.FINISHED)
    return True


async def _slice(session: AsyncSession, run: QualityCaseRun, commune_code: str) -> None:
    rule, found = await people.people_with_fault(
        session,
        run.rule,
        commune_code=commune_code,
        province_code=run.province_code,
        after=run.after_person,
        limit=SLICE,
    )
    words = (f"rule: {rule.code}", rule.title_vi, f"columns: {', '.join(rule.columns)}")
    faults = [
        Fault(p["personal_id"], rule.code, words, "\n".join(str(p[c]) for c in rule.columns)) for p in found
    ]
    opened = await open_faults(session, run.caller(), faults)
    run.looked += len(found)
    run.opened += opened.new
    run.known += opened.known
    run.deferred += opened.deferred
    if len(found) < SLICE:
        run.communes, run.after_person = (run.communes or [])[1:], None
    else:
        run.after_person = found[-1]["person_id"]


async def _end(session: AsyncSession, run: QualityCaseRun, state: CaseRunState) -> None:
    await operator_runs.end(session, run, state)
    log.info("quality_case_run_ended", run_id=str(run.id), state=state.value, opened=run.opened)


def _out(run: QualityCaseRun) -> QualityCaseRunOut:
    return QualityCaseRunOut.model_validate(run, from_attributes=True)
