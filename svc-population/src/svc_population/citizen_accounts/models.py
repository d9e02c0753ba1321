"""The person behind a token's subject; a copy kept current by topic `identity.account.v1`.

`account_version` tells an older event from a newer one, so that events may come late or in any order.
"""

from uuid import UUID

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.tables import Base


class CitizenAccount(Base):
    __tablename__ = "citizen_accounts"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    personal_id: Mapped[str | None] = mapped_column(Text(collation="C"))
    level: Mapped[int | None]
    locked: Mapped[bool]
    account_version: Mapped[int]
