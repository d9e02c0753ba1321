"""Events of the civil registry."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from ndx_contracts.agreements import AgencyCode
from ndx_contracts.events.envelope import EventData
from ndx_contracts.personal_ids import PersonalId


class BirthRegistered(EventData):
    TYPE: ClassVar[str] = "civil-registry.birth-registered.v1"
    TOPIC: ClassVar[str] = "civil-registry.birth.v1"
    ENTITY: ClassVar[str] = "birth"

    birth_id: UUID
    person_id: UUID
    personal_id: PersonalId
    mother_personal_id: PersonalId | None = None
    father_personal_id: PersonalId | None = None
    registered_at: datetime
    office: AgencyCode

    @property
    def key(self) -> str:
        return str(self.birth_id)


class DeathRegistered(EventData):
    TYPE: ClassVar[str] = "civil-registry.death-registered.v1"
    TOPIC: ClassVar[str] = "civil-registry.death.v1"
    ENTITY: ClassVar[str] = "death"

    death_id: UUID
    personal_id: PersonalId
    died_on: date
    registered_at: datetime
    office: AgencyCode

    @property
    def key(self) -> str:
        return str(self.death_id)
