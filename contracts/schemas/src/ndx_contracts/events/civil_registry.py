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


class DeathCancelled(EventData):
    """A registered death is taken back: its entry stays in the book, and says nothing of anybody any more."""

    TYPE: ClassVar[str] = "civil-registry.death-cancelled.v1"
    TOPIC: ClassVar[str] = "civil-registry.death.v1"
    ENTITY: ClassVar[str] = "death"

    death_id: UUID
    personal_id: PersonalId
    """The number under which the death was registered, whatever it leads to by now."""
    died_on: date
    cause: str
    found_alive: bool
    """The person is known to live; else only this entry is known to be wrong."""
    cancelled_at: datetime
    office: AgencyCode

    @property
    def key(self) -> str:
        return str(self.death_id)
