"""What offices and holders send and get about an e-ID account."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from pydantic import Field, StringConstraints

from svc_identity.accounts.models import AccountState, LockCause
from svc_identity.rules.calendar import CardState

AccountLevel = Annotated[int, Field(ge=1, le=2)]
OfficeCause = Literal["HOLDER_REQUEST", "TERMS_BREACH", "CARD_REVOKED", "CARD_HELD", "COMPETENT_BODY_REQUEST"]


class AccountIn(Input):
    """An application at the counter: the number and what the applicant's card says."""

    personal_id: PersonalId
    level: AccountLevel = 2
    birth_date: date
    birth_name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Surname, middle and given name in one text; compared when given."""
    card: CardState = CardState.VALID
    received_on: date | None = None
    """The day of the application, today when not given; the deadline is counted from it."""


class LockIn(Input):
    """The cause of a lock that an office may set or end."""

    cause: OfficeCause


class UnlockIn(Input):
    """The cause of a lock that an office ends; one for a death only after that was taken back."""

    cause: OfficeCause | Literal["DEATH"]


class AccountOut(Output):
    account_id: UUID
    level: AccountLevel
    state: AccountState
    lock_causes: tuple[LockCause, ...] = ()
    opened_at: datetime
    due_on: date


class OpenedAccountOut(AccountOut):
    """`activation_code` is shown once: a repeated request gets the same account without it."""

    activation_code: str | None = None


class ActivationCodeOut(Output):
    account_id: UUID
    activation_code: str
