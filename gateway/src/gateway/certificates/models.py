"""Issued certificates: REQUESTED → ISSUED → ACTIVE → (SUPERSEDED | REVOKED | EXPIRED).

- REQUESTED is an enrolment code that waits to be used (`agencies`): the authority signs in the transaction of
  the request, so no certificate is ever stored in this state.
- ISSUED becomes ACTIVE when the certificate is first seen at the control plane's own operations. Calls to
  services do not pass there, so a certificate used for nothing else stays ISSUED; both are equally good.
- A renewal gives the former certificate an end, `overlap_until`: both work until then, then it is SUPERSEDED.
- EXPIRED is shown, not stored. SUPERSEDED and REVOKED ones stand in the revocation list until they expire.

A system may hold several certificates at once; one key never serves two systems.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base


class CertificateState(StrEnum):
    ISSUED = "ISSUED"
    ACTIVE = "ACTIVE"
    SUPERSEDED = "SUPERSEDED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


GOOD = frozenset({CertificateState.ISSUED.value, CertificateState.ACTIVE.value})


class Cause(StrEnum):
    """Why a certificate was revoked: the reasons of RFC 5280, section 5.3.1, that fit a client certificate.

    There is no hold: suspending the agency does that, and can be undone.
    """

    UNSPECIFIED = "UNSPECIFIED"
    KEY_COMPROMISE = "KEY_COMPROMISE"
    CA_COMPROMISE = "CA_COMPROMISE"
    AFFILIATION_CHANGED = "AFFILIATION_CHANGED"
    SUPERSEDED = "SUPERSEDED"
    CESSATION_OF_OPERATION = "CESSATION_OF_OPERATION"
    PRIVILEGE_WITHDRAWN = "PRIVILEGE_WITHDRAWN"


class Certificate(Base):
    __tablename__ = "certificates"

    serial: Mapped[str] = mapped_column(Text, primary_key=True)
    """Hexadecimal, lower case."""
    agency: Mapped[str] = mapped_column(Text)
    system: Mapped[str] = mapped_column(Text)
    uri: Mapped[str] = mapped_column(Text, index=True)
    issuer: Mapped[str] = mapped_column(Text, server_default="agency-ca")
    """Name of the authority that signed it."""
    fingerprint_sha256: Mapped[str] = mapped_column(Text, unique=True)
    not_before: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    not_after: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), index=True)
    state: Mapped[str] = mapped_column(Text)
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reason: Mapped[str | None] = mapped_column(Text)
    """The revoker's own words."""
    cause: Mapped[str | None] = mapped_column(Text)
    key_sha256: Mapped[str] = mapped_column(Text, index=True, server_default="")
    pem: Mapped[str] = mapped_column(Text, server_default="")
    first_used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    overlap_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    replaced_by: Mapped[str | None] = mapped_column(Text)
    warned_days: Mapped[int | None]
    """The smallest number of days before its end of which its holder was warned."""

    def shown_state(self, now: datetime) -> CertificateState:
        """Return the state as it is at a moment, whether or not the clock's job has come by."""
        if self.state in GOOD and self.not_after <= now:
            return CertificateState.EXPIRED
        if self.state in GOOD and self.overlap_until is not None and self.overlap_until <= now:
            return CertificateState.SUPERSEDED
        return CertificateState(self.state)
