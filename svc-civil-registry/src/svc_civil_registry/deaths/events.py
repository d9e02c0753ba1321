"""The contract event that a registered death is announced with."""

from datetime import datetime
from uuid import UUID

from ndx_contracts.events.civil_registry import DeathRegistered

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
