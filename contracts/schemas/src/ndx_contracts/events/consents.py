"""Events of citizens' consents."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.events.envelope import EventData
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.purposes import Purpose


class ConsentChanged(EventData):
    """A person's consent as it is now, on a compacted topic: given, or withdrawn for good.

    A person consents that one agency gets some field groups for one purpose until a moment.
    """

    TYPE: ClassVar[str] = "identity.consent-changed.v1"
    TOPIC: ClassVar[str] = "identity.consent.v1"
    ENTITY: ClassVar[str] = "consent"

    consent_id: UUID
    personal_id: PersonalId
    agency: AgencyCode
    purpose: Purpose
    field_groups: tuple[FieldGroup, ...]
    given_at: datetime
    valid_until: datetime
    withdrawn_at: datetime | None = None

    @property
    def key(self) -> str:
        return str(self.consent_id)
