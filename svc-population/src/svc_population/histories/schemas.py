"""What is answered about the past of a record."""

from datetime import date, datetime
from typing import Any

from ndx_contracts.bodies import Output
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup

from svc_population.persons.schemas import PersonOut

WITHOUT_HISTORY = frozenset({FieldGroup.FAMILY_RELATIONS, FieldGroup.HOUSEHOLD})
"""Groups about several people: they are read as they are today."""
GROUPS: tuple[FieldGroup, ...] = tuple(
    g for g in FieldGroup if g in POPULATION_GROUPS and g not in WITHOUT_HISTORY
)


class PersonAsOfOut(Output):
    """The record as it was known at a moment, for a day; `version` is the last one known then."""

    valid_at: date
    known_at: datetime
    version: int
    person: PersonOut


class PersonVersionOut(Output):
    """One version: what changed of the asked groups, and on whose word.

    The first version has no `effective_from` and changes nothing.
    """

    version: int
    recorded_at: datetime
    effective_from: date | None
    kind: str | None
    source_agency: str | None
    document: dict[str, Any] | None
    changed: tuple[FieldGroup, ...]
    before: PersonOut
    after: PersonOut


class PersonHistoryOut(Output):
    """Versions, newest first; those that changed none of the asked groups are left out."""

    items: tuple[PersonVersionOut, ...]
    next_cursor: str | None
