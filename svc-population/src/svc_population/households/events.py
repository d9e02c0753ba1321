"""From a change of membership to the event that tells of it."""

from collections.abc import Sequence
from uuid import UUID

from ndx_contracts.events import HouseholdChanged


def household_changed(
    *,
    person_id: UUID,
    personal_id: str,
    version: int,
    changed: Sequence[str],
    household_id: UUID,
    province_code: str | None,
    commune_code: str | None,
) -> HouseholdChanged:
    return HouseholdChanged(
        person_id=person_id,
        personal_id=personal_id,
        version=version,
        changed=tuple(changed),
        household_id=household_id,
        province_code=province_code,
        commune_code=commune_code,
    )
