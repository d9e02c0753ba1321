"""A person: one current row with the 26 field groups of article 9, and one row of history per change.

Lifecycle: ALIVE → MISSING | DECLARED_DEAD (both by a court, both can end) → DECEASED. A dead person's record
is locked: what comes later is a correction with a case, until the death is taken back (`deaths.py`).
`version` grows with every change; the history row
of version n holds what the changed columns held before it, the day from which the new values are true (valid
time), when they were recorded, and the source: agency, document, case and officer. The first version's source
stands in the person's own row, and moves into the history of version 2.

Columns marked `sensitive` hold sensitive data (Decree 356/2025: religion, health); they are in no log, event
or index, and sealed where a key is set (`sealing.py`), also in the history.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from svc_population.persons import search_keys
from svc_population.persons.vocabulary import LifeStatus
from svc_population.tables import Base

_NOW = text("clock_timestamp()")
_NUMBER = Text(collation="C")
_SENSITIVE = {"sensitive": True}


class Person(Base):
    __tablename__ = "persons"
    __table_args__ = (
        CheckConstraint("personal_id ~ '^[0-9]{12}$'", name="personal_id"),
        CheckConstraint("sex IN ('MALE', 'FEMALE')", name="sex"),
        CheckConstraint(
            "life_status IN ('ALIVE', 'MISSING', 'DECLARED_DEAD', 'DECEASED')", name="life_status"
        ),
        CheckConstraint(
            "(life_status = 'ALIVE') = (death_or_missing_date IS NULL)", name="death_or_missing_date"
        ),
        Index(
            "ix_persons_household_number",
            "household_number",
            postgresql_where=text("household_number IS NOT NULL"),
        ),
        Index(
            "ix_persons_legacy_id_number",
            "legacy_id_number",
            postgresql_where=text("legacy_id_number IS NOT NULL"),
        ),
        Index("ix_persons_name", text(search_keys.GIVEN_NAME_KEY), "birth_date", text(search_keys.NAME_KEY)),
        Index("ix_persons_commune", text(f"({search_keys.COMMUNE})"), text(search_keys.GIVEN_NAME_KEY)),
        {"postgresql_partition_by": "HASH (personal_id)"},
    )

    personal_id: Mapped[str] = mapped_column(_NUMBER, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(PG_UUID(as_uuid=True), server_default=text("uuidv7()"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    surname: Mapped[str | None]
    middle_name: Mapped[str | None]
    given_name: Mapped[str]
    other_name: Mapped[str | None]
    birth_date: Mapped[date]
    sex: Mapped[str]
    birth_place_code: Mapped[str | None]
    birth_place: Mapped[str | None]
    birth_registration_province_code: Mapped[str | None]
    birth_registration_commune_code: Mapped[str | None]
    home_town: Mapped[str | None]
    home_town_province_code: Mapped[str | None]
    ethnicity_code: Mapped[str | None]
    religion: Mapped[str | None] = mapped_column(info=_SENSITIVE)
    nationality: Mapped[str] = mapped_column(server_default=text("'VN'"))
    blood_group: Mapped[str | None] = mapped_column(info=_SENSITIVE)
    legacy_id_number: Mapped[str | None]
    permanent_province_code: Mapped[str | None]
    permanent_commune_code: Mapped[str | None]
    permanent_address: Mapped[str | None]
    permanent_since: Mapped[date | None]
    temporary_province_code: Mapped[str | None]
    temporary_commune_code: Mapped[str | None]
    temporary_address: Mapped[str | None]
    temporary_since: Mapped[date | None]
    temporary_until: Mapped[date | None]
    current_province_code: Mapped[str | None]
    current_commune_code: Mapped[str | None]
    current_address: Mapped[str | None]
    absence_from: Mapped[date | None]
    absence_until: Mapped[date | None]
    residence_file_number: Mapped[str | None]
    marital_status: Mapped[str | None]
    household_number: Mapped[str | None]
    relation_to_head: Mapped[str | None]
    life_status: Mapped[str] = mapped_column(server_default=text("'ALIVE'"))
    death_or_missing_date: Mapped[date | None]
    phone: Mapped[str | None]
    email: Mapped[str | None]
    other_information: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    source: Mapped[str]
    """Where this version comes from: an agency and document, an event, or an import."""
    recorded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)

    @property
    def locked(self) -> bool:
        """Return whether only a correction with a case may change the record."""
        return self.life_status == LifeStatus.DECEASED

    @property
    def full_name(self) -> str:
        return " ".join(p for p in (self.surname, self.middle_name, self.given_name) if p)


event.listen(Person.__table__, "before_create", DDL(search_keys.NAME_KEY_FUNCTION))  # type: ignore[no-untyped-call]  # the library left it without types


class PersonHistory(Base):
    __tablename__ = "person_history"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    changed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Names of the changed field groups."""
    before: Mapped[dict[str, Any]] = mapped_column(JSONB, info=_SENSITIVE)
    """The changed columns as they were, with the source and time of recording of the former version."""
    valid_from: Mapped[date]
    source: Mapped[str]
    recorded_by: Mapped[str]
    kind: Mapped[str | None]
    """`ChangeKind`; rows from before it was kept have none."""
    source_agency: Mapped[str | None]
    document: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What the change rests on: kind, number, issuer and day of issue."""
    case_id: Mapped[str | None]
    officer: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)


class FormerPersonalId(Base):
    """A cancelled number: never given again, and it leads to the number that replaced it."""

    __tablename__ = "former_personal_ids"
    __table_args__ = (Index("ix_former_personal_ids_superseded_by", "superseded_by"),)

    personal_id: Mapped[str] = mapped_column(_NUMBER, primary_key=True)
    person_id: Mapped[UUID]
    superseded_by: Mapped[str] = mapped_column(_NUMBER)
    """The person's number of today: kept current when that one is replaced as well."""
    cause: Mapped[str]
    decision: Mapped[str]
    cancelled_by: Mapped[str]
    cancelled_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=_NOW)


person_cards = Table(
    "person_cards",
    Base.metadata,
    Column("personal_id", _NUMBER, primary_key=True),
    Column("issued_on", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("issued_at", Text),
    Column("valid_to", Date),
)
"""Field group 14: each CCCD, căn cước or 12-digit CMND card; written by events of the identity service."""

resealings = Table(
    "resealings",
    Base.metadata,
    Column("key_id", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("position", Text),
    Column("resealed", BigInteger, nullable=False, server_default=text("0")),
    Column("finished_at", TIMESTAMP(timezone=True)),
)
"""How far the sensitive values of a table were sealed anew with a key."""

registered_deaths = Table(
    "registered_deaths",
    Base.metadata,
    Column("death_id", PG_UUID(as_uuid=True), primary_key=True),
    Column("personal_id", _NUMBER, nullable=False, index=True),
    Column("died_on", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("told_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
    Column("cancelled_at", TIMESTAMP(timezone=True)),
)
"""Deaths that the civil registry registered, each under the number that was declared."""

verification_guards = Table(
    "verification_guards",
    Base.metadata,
    Column("agency", Text, primary_key=True),
    Column("personal_id", _NUMBER, primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("window_ends_at", TIMESTAMP(timezone=True), nullable=False),
    Column("bounds", ARRAY(Date), nullable=False, server_default=text("'{}'")),
)
"""Wrong answers that an agency got about a person in a running window, and the days that it compared with.

Under a key that begins with # in the number's place: answers that nobody is like a record of such a name, see
`matching/guesses.py`.
"""
