"""From a change of residence to the event that tells of it."""

from collections.abc import Sequence
from uuid import UUID

from ndx_contracts.events import ResidenceChanged

Place = tuple[str | None, str | None]
"""Codes of province and commune."""


def residence_changed(
    *, person_id: UUID, personal_id: str, version: int, changed: Sequence[str], former: Place, now: Place
) -> ResidenceChanged:
    return ResidenceChanged(
        person_id=person_id,
        personal_id=personal_id,
        version=version,
        changed=tuple(changed),
        former_province_code=former[0],
        former_commune_code=former[1],
        province_code=now[0],
        commune_code=now[1],
    )
