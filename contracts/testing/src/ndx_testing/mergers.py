"""What the population database tells of a merger and its end, for tests of services that follow numbers."""

from uuid import UUID

from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonsMerged, PersonsSeparated


def merged(survivor: str, duplicate: str, *, record: UUID | None = None) -> PersonsMerged:
    """Tell that two records were of one person; `record` is the surviving one, by which ends are compared."""
    return PersonsMerged(
        person_id=record or new_id(),
        personal_id=survivor,
        version=2,
        merged_person_id=new_id(),
        merged_personal_id=duplicate,
    )


def separated(
    remaining: str, number: str, *, record: UUID | None = None, undone: bool = True
) -> PersonsSeparated:
    """Tell that a merger is undone, or that one record was of two persons."""
    return PersonsSeparated(
        person_id=record or new_id(),
        personal_id=remaining,
        version=3,
        separated_person_id=new_id(),
        separated_personal_id=number,
        undone=undone,
    )
