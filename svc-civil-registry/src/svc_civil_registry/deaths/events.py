"""The contract events that a registered death, and its cancellation, are announced with."""

from datetime import date, datetime
from uuid import UUID

from ndx_contracts.events.civil_registry import DeathCancelled, DeathRegistered

from svc_civil_registry.deaths.schemas import DeathIn


def death_registered(*, death_id: UUID, declaration: DeathIn, registered_at: datetime) -> DeathRegistered:
    """Return the event."""
    return DeathRegistered(
        death_id=death_id,
        personal_id=declaration.deceased.personal_id,
        died_on=declaration.died_on,
        registered_at=registered_at,
        office=declaration.office,
    )


def death_cancelled(
    *,
    death_id: UUID,
    personal_id: str,
    died_on: date,
    office: str,
    cause: str,
    found_alive: bool,
    cancelled_at: datetime,
) -> DeathCancelled:
    """Return the event."""
    return DeathCancelled(
        death_id=death_id,
        personal_id=personal_id,
        died_on=died_on,
        cause=cause,
        found_alive=found_alive,
        cancelled_at=cancelled_at,
        office=office,
    )
