"""How a case begins and moves on: row or step, audit entry and event belong together, whoever does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.reconciliation import events, repository
from svc_population.reconciliation.models import ReconciliationCase
from svc_population.reconciliation.vocabulary import CaseState

ENTITY = "reconciliation-case"


@dataclass(frozen=True, slots=True)
class Opened:
    """How many got a case, had one, or wait for another case about the same record."""

    new: int
    known: int
    deferred: int


async def begin(
    session: AsyncSession,
    caller: Caller,
    rows: Sequence[dict[str, Any]],
    keys: Sequence[tuple[str, str, str]],
    *,
    asked: int,
) -> int:
    """Add the register's own cases and tell of them; return how many are new. `keys` as for `known`."""
    new = await repository.add(session, rows)
    for case in await repository.known(session, caller.agency, keys) if new else []:
        if case.id in new:
            await publish(session, events.case_changed(case))
    if new:
        await record_audit(
            session,
            caller,
            action="reconciliation_cases_opened",
            entity_type=ENTITY,
            entity_id=new_id(),
            details={"asked": asked, "new": len(new)},
        )
    return len(new)


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
