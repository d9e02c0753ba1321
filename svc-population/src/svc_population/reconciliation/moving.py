"""How a case moves on: its step, its audit entry and its event belong together, whoever moves it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.reconciliation import events
from svc_population.reconciliation.models import ReconciliationCase
from svc_population.reconciliation.vocabulary import CaseState

ENTITY = "reconciliation-case"


def step_of(caller: Caller, state: CaseState, note: str | None, evidence: Sequence[str]) -> dict[str, Any]:
    return {
        "state": state.value,
        "at": datetime.now(UTC).isoformat(),
        "agency": caller.agency,
        "officer": caller.officer,
        "note": note,
        "evidence": list(evidence),
    }


async def take_step(
    session: AsyncSession,
    caller: Caller,
    case: ReconciliationCase,
    state: CaseState,
    *,
    note: str | None,
    evidence: Sequence[str],
) -> None:
    """Move a case on, with its step, audit entry and event; what is told of it is the caller's to record."""
    case.state = state.value
    case.version += 1
    case.steps = [*case.steps, step_of(caller, state, note, evidence)]
    await session.flush()
    await record_audit(
        session,
        caller,
        action="reconciliation_case_moved",
        entity_type=ENTITY,
        entity_id=case.id,
        details={"state": state.value},
    )
    await publish(session, events.case_changed(case))
