"""Events of the tax link."""

from typing import ClassVar
from uuid import UUID

from ndx_contracts.events.envelope import EventData
from ndx_contracts.personal_ids import PersonalId


class TaxpayerRegistered(EventData):
    """A person was registered as a taxpayer; said once."""

    TYPE: ClassVar[str] = "tax.taxpayer-registered.v1"
    TOPIC: ClassVar[str] = "tax.taxpayer.v1"
    ENTITY: ClassVar[str] = "taxpayer"

    taxpayer_id: UUID
    personal_id: PersonalId

    @property
    def key(self) -> str:
        return str(self.taxpayer_id)


class TaxpayerReopened(EventData):
    """A tax number is open again: the death that had closed it was taken back, or was somebody else's."""

    TYPE: ClassVar[str] = "tax.taxpayer-reopened.v1"
    TOPIC: ClassVar[str] = "tax.taxpayer.v1"
    ENTITY: ClassVar[str] = "taxpayer"

    taxpayer_id: UUID
    personal_id: PersonalId
    by_office: bool = False
    """The person has to be registered anew at an office before anything counts with them."""

    @property
    def key(self) -> str:
        return str(self.taxpayer_id)


class DependantRegistered(EventData):
    """A tax dependant was put on a taxpayer from a month (`2026-11`) on; None = not claimed yet."""

    TYPE: ClassVar[str] = "tax.dependant-registered.v1"
    TOPIC: ClassVar[str] = "tax.dependant.v1"
    ENTITY: ClassVar[str] = "dependant"

    dependant_id: UUID
    dependant_personal_id: PersonalId
    taxpayer_personal_id: PersonalId | None = None
    from_month: str

    @property
    def key(self) -> str:
        return str(self.dependant_id)


class DependantCountedTwice(EventData):
    """Two claims count one dependant in the same months, for two records were merged; undone, no longer."""

    TYPE: ClassVar[str] = "tax.dependant-counted-twice.v1"
    TOPIC: ClassVar[str] = "tax.dependant.v1"
    ENTITY: ClassVar[str] = "dependant"

    dependant_id: UUID
    dependant_personal_id: PersonalId
    from_month: str
    to_month: str | None = None
    """The last of these months; None = no end."""
    undone: bool = False
    settled: bool = False
    """With `undone`: an office decided whose months they are."""

    @property
    def key(self) -> str:
        return str(self.dependant_id)
