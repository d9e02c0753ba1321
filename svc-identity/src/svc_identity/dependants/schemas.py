"""What a guardian sees of their dependants."""

from datetime import date, datetime
from uuid import UUID

from ndx_contracts.bodies import Output
from ndx_contracts.personal_ids import PersonalId

from svc_identity.dependants.models import Relation


class DependantOut(Output):
    dependant_id: UUID
    personal_id: PersonalId
    relation: Relation
    birth_date: date
    attached_at: datetime
    ends_on: date


class DependantList(Output):
    items: tuple[DependantOut, ...]
    next_cursor: None = None
    """A guardian's dependants fit on one page."""
