"""The register of residences, and the counters of residence files."""

from alembic import op

revision = "0031"
down_revision = "0021"

_STATEMENTS = (
    """
    CREATE TABLE residences (
        id UUID NOT NULL,
        person_id UUID NOT NULL,
        personal_id TEXT COLLATE "C" NOT NULL,
        kind VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        province_code VARCHAR,
        commune_code VARCHAR,
        address VARCHAR,
        units_on DATE NOT NULL,
        valid_from DATE NOT NULL,
        valid_to DATE,
        end_cause VARCHAR,
        residence_file_number VARCHAR,
        basis JSONB,
        source VARCHAR NOT NULL,
        registered_by VARCHAR NOT NULL,
        registered_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        ended_by VARCHAR,
        ended_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_residences PRIMARY KEY (id),
        CONSTRAINT ck_residences_kind CHECK (kind IN ('PERMANENT', 'TEMPORARY', 'CURRENT', 'ABSENCE', 'STAY')),
        CONSTRAINT ck_residences_state CHECK (state IN ('REGISTERED', 'ENDED', 'REVOKED')),
        CONSTRAINT ck_residences_period CHECK (valid_to IS NULL OR valid_to >= valid_from),
        CONSTRAINT ck_residences_end_cause CHECK ((state = 'REGISTERED') = (end_cause IS NULL)),
        CONSTRAINT ck_residences_ended CHECK (state <> 'ENDED' OR valid_to IS NOT NULL),
        CONSTRAINT ck_residences_place CHECK (kind = 'ABSENCE' OR commune_code IS NOT NULL)
    )
    """,
    "CREATE INDEX ix_residences_person_id ON residences (person_id, kind, valid_from)",
    "CREATE UNIQUE INDEX uq_residences_running ON residences (person_id, kind) WHERE state = 'REGISTERED'",
    "CREATE INDEX ix_residences_ending ON residences (valid_to) WHERE state = 'REGISTERED'",
    """
    CREATE TABLE residence_file_counters (
        commune_code VARCHAR NOT NULL,
        year INTEGER NOT NULL,
        taken INTEGER NOT NULL,
        CONSTRAINT pk_residence_file_counters PRIMARY KEY (commune_code, year)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
