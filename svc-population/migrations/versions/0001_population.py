"""Runtime tables; persons and what belongs to them; numbers; code lists; the citizen's view."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_runtime_tables
from svc_population.admin_units import code_lists
from svc_population.settings import Settings

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE persons (
        personal_id TEXT COLLATE "C" NOT NULL,
        person_id UUID DEFAULT uuidv7() NOT NULL,
        version INTEGER DEFAULT 1 NOT NULL,
        surname VARCHAR,
        middle_name VARCHAR,
        given_name VARCHAR NOT NULL,
        other_name VARCHAR,
        birth_date DATE NOT NULL,
        sex VARCHAR NOT NULL,
        birth_place_code VARCHAR,
        birth_place VARCHAR,
        birth_registration_province_code VARCHAR,
        birth_registration_commune_code VARCHAR,
        home_town VARCHAR,
        home_town_province_code VARCHAR,
        ethnicity_code VARCHAR,
        religion VARCHAR,
        nationality VARCHAR DEFAULT 'VN' NOT NULL,
        blood_group VARCHAR,
        legacy_id_number VARCHAR,
        permanent_province_code VARCHAR,
        permanent_commune_code VARCHAR,
        permanent_address VARCHAR,
        permanent_since DATE,
        temporary_province_code VARCHAR,
        temporary_commune_code VARCHAR,
        temporary_address VARCHAR,
        temporary_since DATE,
        temporary_until DATE,
        current_province_code VARCHAR,
        current_commune_code VARCHAR,
        current_address VARCHAR,
        absence_from DATE,
        absence_until DATE,
        residence_file_number VARCHAR,
        marital_status VARCHAR,
        household_number VARCHAR,
        relation_to_head VARCHAR,
        life_status VARCHAR DEFAULT 'ALIVE' NOT NULL,
        death_or_missing_date DATE,
        phone VARCHAR,
        email VARCHAR,
        other_information JSONB,
        source VARCHAR NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_persons PRIMARY KEY (personal_id),
        CONSTRAINT ck_persons_personal_id CHECK (personal_id ~ '^[0-9]{12}$'),
        CONSTRAINT ck_persons_sex CHECK (sex IN ('MALE', 'FEMALE')),
        CONSTRAINT ck_persons_life_status CHECK (life_status IN ('ALIVE', 'MISSING', 'DECLARED_DEAD', 'DECEASED')),
        CONSTRAINT ck_persons_death_or_missing_date CHECK ((life_status = 'ALIVE') = (death_or_missing_date IS NULL))
    )
     PARTITION BY HASH (personal_id)
    """,
    """
    CREATE INDEX ix_persons_household_number ON persons (household_number) WHERE household_number IS NOT NULL
    """,
    """
    CREATE TABLE person_history (
        person_id UUID NOT NULL,
        version INTEGER NOT NULL,
        changed TEXT[] NOT NULL,
        before JSONB NOT NULL,
        valid_from DATE NOT NULL,
        source VARCHAR NOT NULL,
        recorded_by VARCHAR NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_person_history PRIMARY KEY (person_id, version)
    )
    """,
    """
    CREATE TABLE person_cards (
        personal_id TEXT COLLATE "C" NOT NULL,
        issued_on DATE NOT NULL,
        kind TEXT NOT NULL,
        issued_at TEXT,
        valid_to DATE,
        CONSTRAINT pk_person_cards PRIMARY KEY (personal_id, issued_on, kind)
    )
    """,
    """
    CREATE TABLE verification_guards (
        agency TEXT NOT NULL,
        personal_id TEXT COLLATE "C" NOT NULL,
        wrong INTEGER NOT NULL,
        window_ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_verification_guards PRIMARY KEY (agency, personal_id)
    )
    """,
    """
    CREATE TABLE relationships (
        personal_id TEXT COLLATE "C" NOT NULL,
        relation VARCHAR NOT NULL,
        ordinal INTEGER DEFAULT 0 NOT NULL,
        id UUID DEFAULT uuidv7() NOT NULL,
        related_personal_id TEXT COLLATE "C",
        related_name VARCHAR,
        related_birth_year INTEGER,
        related_nationality VARCHAR,
        source VARCHAR NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_relationships PRIMARY KEY (personal_id, relation, ordinal),
        CONSTRAINT ck_relationships_not_oneself CHECK (personal_id <> related_personal_id),
        CONSTRAINT ck_relationships_somebody CHECK (related_personal_id IS NOT NULL OR related_name IS NOT NULL)
    )
    """,
    """
    CREATE INDEX ix_relationships_related_personal_id ON relationships (related_personal_id) WHERE related_personal_id IS NOT NULL
    """,
    """
    CREATE TABLE former_personal_ids (
        personal_id TEXT COLLATE "C" NOT NULL,
        person_id UUID NOT NULL,
        superseded_by TEXT COLLATE "C" NOT NULL,
        cause VARCHAR NOT NULL,
        decision VARCHAR NOT NULL,
        cancelled_by VARCHAR NOT NULL,
        cancelled_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_former_personal_ids PRIMARY KEY (personal_id)
    )
    """,
    """
    CREATE INDEX ix_former_personal_ids_superseded_by ON former_personal_ids (superseded_by)
    """,
    """
    CREATE TABLE personal_id_requests (
        agency VARCHAR NOT NULL,
        request_id UUID NOT NULL,
        body_hash VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        reasons TEXT[] DEFAULT '{}' NOT NULL,
        personal_id TEXT COLLATE "C",
        person_id UUID,
        birth_date DATE NOT NULL,
        folded_name VARCHAR NOT NULL,
        registration_commune_code VARCHAR NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_personal_id_requests PRIMARY KEY (agency, request_id)
    )
    """,
    """
    CREATE INDEX ix_personal_id_requests_birth ON personal_id_requests (birth_date, folded_name) WHERE state = 'ISSUED'
    """,
    """
    CREATE TABLE personal_id_counters (
        prefix TEXT COLLATE "C" NOT NULL,
        taken INTEGER NOT NULL,
        CONSTRAINT pk_personal_id_counters PRIMARY KEY (prefix)
    )
    """,
    """
    CREATE TABLE admin_units (
        level VARCHAR NOT NULL,
        code VARCHAR NOT NULL,
        valid_from DATE NOT NULL,
        valid_to DATE,
        name VARCHAR NOT NULL,
        type VARCHAR NOT NULL,
        full_name VARCHAR NOT NULL,
        parent_code VARCHAR,
        CONSTRAINT pk_admin_units PRIMARY KEY (level, code, valid_from)
    )
    """,
    """
    CREATE INDEX ix_admin_units_parent_code ON admin_units (level, parent_code)
    """,
    """
    CREATE TABLE admin_unit_successions (
        old_level VARCHAR NOT NULL,
        old_code VARCHAR NOT NULL,
        new_level VARCHAR NOT NULL,
        new_code VARCHAR NOT NULL,
        effective_from DATE NOT NULL,
        relation VARCHAR NOT NULL,
        is_default BOOLEAN NOT NULL,
        CONSTRAINT pk_admin_unit_successions PRIMARY KEY (old_level, old_code, new_level, new_code, effective_from)
    )
    """,
    """
    CREATE TABLE imports (
        id UUID NOT NULL,
        source VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        lines INTEGER DEFAULT 0 NOT NULL,
        inserted INTEGER DEFAULT 0 NOT NULL,
        existing INTEGER DEFAULT 0 NOT NULL,
        rejected INTEGER DEFAULT 0 NOT NULL,
        wrong_structure INTEGER DEFAULT 0 NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        finished_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_imports PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE citizen_accounts (
        account_id UUID NOT NULL,
        personal_id TEXT COLLATE "C",
        level INTEGER,
        locked BOOLEAN NOT NULL,
        account_version INTEGER NOT NULL,
        CONSTRAINT pk_citizen_accounts PRIMARY KEY (account_id)
    )
    """,
    """
    CREATE TABLE disclosure_subjects (
        subject TEXT COLLATE "C" NOT NULL,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        xid BIGINT,
        CONSTRAINT pk_disclosure_subjects PRIMARY KEY (subject, occurred_at, id)
    )
    """,
    """
    CREATE TABLE foreign_disclosures (
        id UUID NOT NULL,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        service VARCHAR NOT NULL,
        agency VARCHAR NOT NULL,
        system VARCHAR NOT NULL,
        purpose VARCHAR NOT NULL,
        agreement VARCHAR NOT NULL,
        agreement_version INTEGER NOT NULL,
        operation VARCHAR NOT NULL,
        field_groups TEXT[] NOT NULL,
        outcome VARCHAR NOT NULL,
        request_id VARCHAR NOT NULL,
        CONSTRAINT pk_foreign_disclosures PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE disclosure_positions (
        source TEXT NOT NULL,
        xid BIGINT NOT NULL,
        id UUID NOT NULL,
        CONSTRAINT pk_disclosure_positions PRIMARY KEY (source)
    )
    """,
)


def upgrade() -> None:
    create_runtime_tables(op)
    for statement in _STATEMENTS:
        op.execute(sa.text(statement))
    partitions = Settings().person_partitions
    for number in range(partitions):
        op.execute(
            sa.text(
                f"CREATE TABLE persons_{number:03d} PARTITION OF persons"
                f" FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number})"
            )
        )
    _load("admin_units", code_lists.units())
    _load("admin_unit_successions", code_lists.successions())
    op.execute(sa.text("REVOKE UPDATE, DELETE, TRUNCATE ON foreign_disclosures FROM CURRENT_USER"))
    op.execute(sa.text("REVOKE UPDATE, DELETE, TRUNCATE ON person_history FROM CURRENT_USER"))


def _load(table: str, rows: Iterator[dict[str, Any]]) -> None:
    loaded = list(rows)
    columns = tuple(loaded[0])
    target = sa.table(table, *(sa.column(c) for c in columns))
    for start in range(0, len(loaded), 2000):
        op.bulk_insert(target, loaded[start : start + 2000])


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
