"""One log-in, from the relying party's request to its end.

Kept from its first attempt on: until then its page carries all of it, and may come back or not.
Lifecycle: OPEN → PROVED | REFUSED | EXPIRED (by `expires_at`). It belongs to one browser (the digest of a
cookie) and takes a limited number of attempts. `wanted_acr` is the level that the relying party asked for:
1 = passcode alone, 2 = passcode and one-time password, two different factors without biometrics.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Enum, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_auth.tables import Base

_TIME = TIMESTAMP(timezone=True)


class TransactionState(StrEnum):
    OPEN = "OPEN"
    PROVED = "PROVED"
    REFUSED = "REFUSED"


class LoginTransaction(Base):
    __tablename__ = "login_transactions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[TransactionState] = mapped_column(Enum(TransactionState, native_enum=False, length=16))
    browser: Mapped[bytes]
    client_id: Mapped[str]
    redirect_uri: Mapped[str]
    relying_state: Mapped[str]
    nonce: Mapped[str]
    scope: Mapped[str]
    code_challenge: Mapped[str]
    wanted_acr: Mapped[int]
    language: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(_TIME, server_default=text("clock_timestamp()"))
    expires_at: Mapped[datetime] = mapped_column(_TIME, index=True)
