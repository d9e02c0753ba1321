"""The log-in record of an e-ID account and the counters of attempts.

A log-in is made by the event of the account and holds no personal data: the name that the holder types is
kept as a keyed digest. Lifecycle: WAITING (an activation code is open) → READY (passcode and one-time
password are set); a new activation code takes the former means away at once. `locked` follows the account
and is checked in the transaction of every log-in and token. `state_version` and `code_version` are the
account versions last applied, so that events may come twice and in any order.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_auth.tables import Base

_TIME = TIMESTAMP(timezone=True)


class Login(Base):
    __tablename__ = "logins"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    handle: Mapped[bytes | None] = mapped_column(unique=True)
    level: Mapped[int] = mapped_column(server_default=text("1"))
    locked: Mapped[bool] = mapped_column(server_default=text("false"))
    state_version: Mapped[int] = mapped_column(server_default=text("0"))
    code_version: Mapped[int] = mapped_column(server_default=text("0"))
    activation_hash: Mapped[str | None]
    activation_until: Mapped[datetime | None] = mapped_column(_TIME)
    passcode_hash: Mapped[str | None]
    totp_sealed: Mapped[bytes | None]
    totp_step: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """The last time step accepted: a one-time password works once."""
    activated_at: Mapped[datetime | None] = mapped_column(_TIME)


class AttemptCounter(Base):
    """Attempts that were not followed by a success, by blinded log-in name or source address."""

    __tablename__ = "attempt_counters"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(_TIME, index=True)
    locked_until: Mapped[datetime | None] = mapped_column(_TIME)
