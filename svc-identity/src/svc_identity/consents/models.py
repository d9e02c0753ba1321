"""A holder's consent: one agency, one purpose, some field groups, until a moment.

Lifecycle: in force from the moment at which it is given until `valid_until`, or until it is withdrawn, which
is final. Its terms never change: who wants other ones gives another consent. Where the holder's number leads
to another one, a consent on the same terms follows it there; whoever withdraws one of them withdraws all.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from svc_identity.tables import Base

_TIME = TIMESTAMP(timezone=True)


class GivenConsent(Base):
    __tablename__ = "given_consents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    personal_id: Mapped[str] = mapped_column(index=True)
    agency: Mapped[str]
    purpose: Mapped[str]
    field_groups: Mapped[list[str]] = mapped_column(ARRAY(Text))
    given_at: Mapped[datetime] = mapped_column(_TIME)
    valid_until: Mapped[datetime] = mapped_column(_TIME)
    withdrawn_at: Mapped[datetime | None] = mapped_column(_TIME)
    follows: Mapped[UUID | None] = mapped_column(ForeignKey("given_consents.id"), index=True)
    """The consent under the holder's former number; `account_id` is the account that gave that one."""
