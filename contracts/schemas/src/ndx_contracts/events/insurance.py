"""Events of the insurance link."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from ndx_contracts.events.envelope import EventData
from ndx_contracts.personal_ids import PersonalId


class _EntitlementEvent(EventData):
    TOPIC: ClassVar[str] = "insurance.entitlement.v1"
    ENTITY: ClassVar[str] = "entitlement"

    entitlement_id: UUID
    personal_id: PersonalId

    @property
    def key(self) -> str:
        return str(self.entitlement_id)


class EntitlementOpened(_EntitlementEvent):
    TYPE: ClassVar[str] = "insurance.entitlement-opened.v1"

    kind: str
    valid_from: date
    valid_to: date | None = None


class EntitlementEnded(_EntitlementEvent):
    TYPE: ClassVar[str] = "insurance.entitlement-ended.v1"

    ended_on: date
    cause: str
