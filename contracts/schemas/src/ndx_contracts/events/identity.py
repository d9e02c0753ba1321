"""Events of identity cards and e-ID accounts."""

from typing import ClassVar
from uuid import UUID

from ndx_contracts.events.envelope import EventData
from ndx_contracts.personal_ids import PersonalId


class _AccountEvent(EventData):
    TOPIC: ClassVar[str] = "identity.account.v1"
    ENTITY: ClassVar[str] = "account"

    account_id: UUID
    account_version: int = 0
    """Grows by one with each change of the account: tells an older event from a newer one."""

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


class ActivationCodeIssued(_AccountEvent):
    """The holder proved who they are again: a new secret replaces all former means of log-in."""

    TYPE: ClassVar[str] = "identity.activation-code-issued.v1"

    activation_hash: str


class DependantAttached(_AccountEvent):
    TYPE: ClassVar[str] = "identity.dependant-attached.v1"

    guardian_personal_id: PersonalId
    dependant_personal_id: PersonalId


class DependantDetached(_AccountEvent):
    """The account no longer acts for the dependant: age of 14, death, or the guardian's death."""

    TYPE: ClassVar[str] = "identity.dependant-detached.v1"

    dependant_personal_id: PersonalId
    cause: str
