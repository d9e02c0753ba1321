"""Events of identity cards and e-ID accounts."""

from typing import ClassVar
from uuid import UUID

from ndx_contracts.events.envelope import EventData
from ndx_contracts.personal_ids import PersonalId


class _AccountEvent(EventData):
    TOPIC: ClassVar[str] = "identity.account.v1"
    ENTITY: ClassVar[str] = "account"

    account_id: UUID

    @property
    def key(self) -> str:
        return str(self.account_id)


class AccountActivated(_AccountEvent):
    """An account may be used; the activation secret travels only as a slow hash."""

    TYPE: ClassVar[str] = "identity.account-activated.v1"

    personal_id: PersonalId
    level: int
    activation_hash: str | None = None


class AccountLocked(_AccountEvent):
    TYPE: ClassVar[str] = "identity.account-locked.v1"

    cause: str


class AccountUnlocked(_AccountEvent):
    TYPE: ClassVar[str] = "identity.account-unlocked.v1"


class DependantAttached(_AccountEvent):
    TYPE: ClassVar[str] = "identity.dependant-attached.v1"

    guardian_personal_id: PersonalId
    dependant_personal_id: PersonalId
