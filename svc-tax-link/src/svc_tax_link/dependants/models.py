"""A dependant and the months in which a taxpayer claims one.

Dependant: UNCLAIMED (nobody counts the child now) ⇄ CLAIMED → CLOSED (by death, until it is taken back). A
claim counts a dependant with one taxpayer from its first to its last month, both included; VOID is a claim
that never should have counted a month. One dependant has one payer per month: the database refuses a second
one.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ndx_chassis.ids import new_id
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from svc_tax_link.dependants.months import Months
from svc_tax_link.tables import Base


class DependantState(StrEnum):
    """Whether somebody counts the dependant from now on."""

    UNCLAIMED = "UNCLAIMED"
    CLAIMED = "CLAIMED"
    CLOSED = "CLOSED"


class ClaimState(StrEnum):
    """ACTIVE claims count their months; VOID ones count none."""

    ACTIVE = "ACTIVE"
    VOID = "VOID"


class Dependant(Base):
    __tablename__ = "dependants"
    __table_args__ = (
        CheckConstraint("personal_id ~ '^[0-9]{12}$'", name="personal_id"),
        CheckConstraint("state IN ('UNCLAIMED', 'CLAIMED', 'CLOSED')", name="state"),
        CheckConstraint("(state = 'CLOSED') = (died_on IS NOT NULL)", name="closed"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    """A dense number, so that dependant and months fit into one range (see `Claim`)."""
    personal_id: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    birth_date: Mapped[date]
    fetched_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    mother_personal_id: Mapped[str | None] = mapped_column(Text)
    father_personal_id: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    died_on: Mapped[date | None]
    registered_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )

    def parent(self, personal_id: str) -> bool:
        """Tell whether that person is the mother or the father."""
        return personal_id in {self.mother_personal_id, self.father_personal_id}


_MONTHS = """int8range(
    dependant_number * 100000
        + (extract(year FROM from_month) * 12 + extract(month FROM from_month))::int,
    dependant_number * 100000
        + coalesce((extract(year FROM to_month) * 12 + extract(month FROM to_month))::int, 99999),
    '[]')"""


class Claim(Base):
    """The months from `from_month` to `to_month` (first days; None = no end) of one dependant and one payer.

    Generic exclusion on (dependant, months) needs an extension that is not everywhere; so dependant and
    months are laid on one line of numbers, `number * 100000 + year * 12 + month`, where claims of one
    dependant exclude each other by plain ranges and two dependants can never meet. (24,323 is November 2026;
    no end is the last of a dependant's 100,000 places.)
    """

    __tablename__ = "claims"
    __table_args__ = (
        CheckConstraint("state IN ('ACTIVE', 'VOID')", name="state"),
        CheckConstraint("extract(day FROM from_month) = 1", name="from_month"),
        CheckConstraint("to_month IS NULL OR extract(day FROM to_month) = 1", name="to_month"),
        CheckConstraint("to_month IS NULL OR to_month >= from_month", name="interval"),
        ExcludeConstraint(
            (text(_MONTHS), "&&"), where=text("state = 'ACTIVE'"), name="ex_claims_one_payer_per_month"
        ),
        Index("ix_claims_taxpayer_id", "taxpayer_id"),
        Index("ix_claims_dependant_number", "dependant_number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    dependant_number: Mapped[int] = mapped_column(ForeignKey("dependants.number"))
    taxpayer_id: Mapped[UUID] = mapped_column(ForeignKey("taxpayers.id"))
    relation: Mapped[str] = mapped_column(Text)
    from_month: Mapped[date]
    to_month: Mapped[date | None]
    state: Mapped[str] = mapped_column(Text, default=ClaimState.ACTIVE.value)
    rule: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True), server_default=func.clock_timestamp()
    )

    @property
    def months(self) -> Months:
        """Return the first and the last month counted."""
        return self.from_month, self.to_month
