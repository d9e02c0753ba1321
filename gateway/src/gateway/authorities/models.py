"""Certificate authorities and their revocation lists.

- An EMBEDDED authority is ISSUING (exactly one is), then TRUSTED while its successor issues, then RETIRED.
- An OUTSIDE one is REGISTERED until its first revocation list is there (without one, Envoy would refuse all
  of its certificates), then TRUSTED for the agencies named in `may_certify`, then RETIRED.

No two authorities have the same subject: by the issuer's name the data plane tells who vouches for a caller.
Only certificates that an authority here signed itself are accepted, never those of an authority below it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ForeignKey, Index, Numeric, Text, TypeDecorator, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.authorities.vocabulary import AuthorityState
from gateway.tables import Base

IN_FORCE = (AuthorityState.ISSUING.value, AuthorityState.TRUSTED.value)


class Whole(TypeDecorator[int]):
    """A whole number of any size: that of a list may have twenty bytes (RFC 5280, section 5.2.3)."""

    impl = Numeric(49, 0)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> int | None:
        """Return what the database has as a number of Python's own."""
        del dialect
        return None if value is None else int(value)


class AuthorityRow(Base):
    __tablename__ = "authorities"
    __table_args__ = (
        # There is never more than one authority that issues.
        Index("uq_authorities_issuing", "state", unique=True, postgresql_where=text("state = 'ISSUING'")),
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    """Also the stem of an embedded authority's files."""
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text, unique=True)
    """As Envoy writes it: RFC 2253, bytes beyond ASCII escaped."""
    pem: Mapped[str] = mapped_column(Text)
    not_after: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    may_certify: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Of an outside authority: agency codes, `H79.*` for all that begin so; of an embedded one empty."""
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    retired_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class RevocationListRow(Base):
    __tablename__ = "revocation_lists"

    authority: Mapped[str] = mapped_column(ForeignKey("authorities.name"), primary_key=True)
    number: Mapped[int] = mapped_column(Whole)
    pem: Mapped[str] = mapped_column(Text)
    entries: Mapped[int]
    this_update: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    next_update: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    alarmed_number: Mapped[int | None] = mapped_column(Whole)
    """The list about whose coming end the operators were told."""


class RevocationSource(Base):
    """Where an outside authority publishes its list, and how the last try to fetch it went."""

    __tablename__ = "revocation_sources"

    authority: Mapped[str] = mapped_column(ForeignKey("authorities.name"), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    tried_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    fetched_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    """When the last good list was fetched, newer than the one before or the same."""
    error: Mapped[str | None] = mapped_column(Text)
    """Code of what went wrong at the last try; None when nothing did."""


class LateRevocation(Base):
    """A serial that came with the newest lists of an outside authority: denied on open connections too.

    Envoy asks the list at handshakes only, and no connection lives longer than a day, so rows go after two.
    """

    __tablename__ = "late_revocations"

    authority: Mapped[str] = mapped_column(ForeignKey("authorities.name"), primary_key=True)
    serial: Mapped[str] = mapped_column(Text, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
