"""The book of households: households, memberships with their days, and counters of numbers."""

from alembic import op

revision = "0032"
down_revision = "0011"

_STATEMENTS = (
    """
    CREATE TABLE households (
        number VARCHAR NOT NULL,
        id UUID DEFAULT uuidv7() NOT NULL,
        state VARCHAR NOT NULL,
        version INTEGER DEFAULT 1 NOT NULL,
        province_code VARCHAR,
        commune_code VARCHAR,
        address VARCHAR,
        formed_on DATE,
        dissolved_on DATE,
        source VARCHAR NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_households PRIMARY KEY (number),
        CONSTRAINT ck_households_state CHECK (state IN ('ACTIVE', 'HEAD_NEEDED', 'DISSOLVED')),
        CONSTRAINT ck_households_dissolved_on CHECK ((state = 'DISSOLVED') = (dissolved_on IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_households_head_needed ON households (commune_code, number) WHERE state = 'HEAD_NEEDED'",
    """
    CREATE TABLE household_members (
        id UUID DEFAULT uuidv7() NOT NULL,
        household_number VARCHAR NOT NULL,
        person_id UUID NOT NULL,
        personal_id TEXT COLLATE "C" NOT NULL,
        relation_to_head VARCHAR NOT NULL,
        since DATE NOT NULL,
        ended_on DATE,
        end_cause VARCHAR,
        source VARCHAR NOT NULL,
        recorded_by VARCHAR NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_household_members PRIMARY KEY (id),
        CONSTRAINT ck_household_members_period CHECK (ended_on IS NULL OR ended_on >= since),
        CONSTRAINT ck_household_members_end_cause CHECK ((ended_on IS NULL) = (end_cause IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX uq_household_members_person ON household_members (person_id) WHERE ended_on IS NULL",
    """
    CREATE UNIQUE INDEX uq_household_members_head ON household_members (household_number)
    WHERE ended_on IS NULL AND relation_to_head = 'HEAD'
    """,
    "CREATE INDEX ix_household_members_household ON household_members (household_number, since)",
    """
    CREATE TABLE household_counters (
        commune_code VARCHAR NOT NULL,
        year INTEGER NOT NULL,
        taken INTEGER NOT NULL,
        CONSTRAINT pk_household_counters PRIMARY KEY (commune_code, year)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
