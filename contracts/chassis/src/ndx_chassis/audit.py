"""The audit entry of a change: who did what to which entity, in the same transaction."""

from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_last
from ndx_chassis.tables import audit_entries
from ndx_chassis.telemetry import current_trace_id


class Actor(Protocol):
    """A caller, a citizen, an operator, or the event that caused the change."""

    @property
    def actor(self) -> str: ...
    @property
    def officer(self) -> str | None: ...
    @property
    def case_id(self) -> str | None: ...
    @property
    def request_id(self) -> str: ...


async def record_audit(
    session: AsyncSession,
    actor: Actor,
    *,
    action: str,
    entity_type: str,
    entity_id: UUID | str,
    details: dict[str, object] | None = None,
) -> None:
    """Write one entry; `details` hold names, states and counts, never personal data."""
    write_last(
        session,
        audit_entries,
        {
            "id": new_id(),
            "actor": actor.actor,
            "officer": actor.officer,
            "case_id": actor.case_id,
            "action": action,
            "entity_type": entity_type,
            "entity_id": str(entity_id),
            "request_id": actor.request_id,
            "trace_id": current_trace_id(),
            "details": details or {},
        },
    )
