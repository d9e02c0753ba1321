"""The contract event that a registered birth is announced with."""

from datetime import datetime
from uuid import UUID

from ndx_contracts.events.civil_registry import BirthRegistered


def birth_registered(
    *,
    birth_id: UUID,
    office: str,
    personal_id: str,
    person_id: UUID,
    mother_personal_id: str | None,
    father_personal_id: str | None,
    registered_at: datetime,
) -> BirthRegistered:
    """Return the event: the numbers of child and parents, and nothing else about them."""
    return BirthRegistered(
        birth_id=birth_id,
        person_id=person_id,
        personal_id=personal_id,
        mother_personal_id=mother_personal_id,
        father_personal_id=father_personal_id,
        registered_at=registered_at,
        office=office,
    )
