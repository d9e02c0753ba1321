"""Authorization codes, the grants behind them and the tokens given for them.

A grant is one log-in at one relying party. Its code is redeemed at most once; a second try, a lock of the
account or new means of log-in revoke the grant and all its tokens. Codes are kept as digests only.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_auth.tables import Base

_TIME = TIMESTAMP(timezone=True)


class Grant(Base):
    __tablename__ = "grants"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(index=True)
    client_id: Mapped[str]
    scope: Mapped[str]
    acr: Mapped[int]
    amr: Mapped[str]
    authenticated_at: Mapped[datetime] = mapped_column(_TIME)
    ends_at: Mapped[datetime] = mapped_column(_TIME, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(_TIME)
    revoke_cause: Mapped[str | None]


class AuthorizationCode(Base):
    __tablename__ = "authorization_codes"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("grants.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str]
    nonce: Mapped[str]
    code_challenge: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(_TIME)
    used_at: Mapped[datetime | None] = mapped_column(_TIME)
