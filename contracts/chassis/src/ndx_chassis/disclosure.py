"""No disclosure without a record: written in the transaction that reads the data."""

from collections.abc import Iterable, Sequence

from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_last
from ndx_chassis.tables import disclosures
from ndx_chassis.telemetry import current_trace_id


async def disclose(
    session: AsyncSession,
    caller: Caller,
    *,
    grant: Grant | None = None,
    subjects: Sequence[str],
    field_groups: Iterable[FieldGroup],
    outcome: Outcome,
) -> None:
    """Record that the caller learnt something about the subjects (personal IDs)."""
    write_last(
        session,
        disclosures,
        {
            "id": new_id(),
            "agency": caller.agency,
            "system": caller.system,
            "officer": caller.officer,
            "case_id": caller.case_id,
            "purpose": caller.purpose,
            "agreement": caller.agreement,
            "agreement_version": grant.agreement.version if grant is not None else 0,
            "operation": caller.operation,
            "subjects": list(subjects),
            "field_groups": sorted(g.value for g in field_groups),
            "outcome": outcome.value,
            "request_id": caller.request_id,
            "trace_id": current_trace_id(),
        },
    )
