"""What callers see of entitlements."""

from datetime import date, datetime
from uuid import UUID

from ndx_contracts.bodies import Output
from ndx_contracts.personal_ids import PersonalId


class EntitlementOut(Output):
    """An interval of cover; both days are covered."""

    entitlement_id: UUID
    kind: str
    participant_group: str
    benefit_level: int
    valid_from: date
    valid_to: date | None
    ended_on: date | None
    end_cause: str | None


class IdentityCopyOut(Output):
    """Where this service's identity data come from and how old they are."""

    source: str = "population"
    fetched_at: datetime
    age_seconds: int


class EntitlementsOut(Output):
    """All entitlements of one participant, newest first."""

    personal_id: PersonalId
    items: tuple[EntitlementOut, ...]
    identity_copy: IdentityCopyOut
    next_cursor: str | None = None
