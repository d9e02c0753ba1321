"""Files of agencies that are matched line by line."""

from alembic import op

revision = "0023"
down_revision = "0013"

_STATEMENTS = (
    """
    CREATE TABLE match_jobs (
        id UUID NOT NULL,
        state VARCHAR NOT NULL,
        agency VARCHAR NOT NULL,
        system VARCHAR NOT NULL,
        agency_class VARCHAR NOT NULL,
        officer VARCHAR,
        case_id VARCHAR,
        purpose VARCHAR NOT NULL,
        agreement VARCHAR NOT NULL,
        request_id VARCHAR NOT NULL,
        signed BOOLEAN NOT NULL,
        format VARCHAR NOT NULL,
        compression VARCHAR NOT NULL,
        columns TEXT[] NOT NULL,
        bytes BIGINT NOT NULL,
        sha256 VARCHAR NOT NULL,
        checked BOOLEAN DEFAULT false NOT NULL,
        position BIGINT DEFAULT 0 NOT NULL,
        lines INTEGER DEFAULT 0 NOT NULL,
        matched INTEGER DEFAULT 0 NOT NULL,
        mismatch INTEGER DEFAULT 0 NOT NULL,
        ambiguous INTEGER DEFAULT 0 NOT NULL,
        not_found INTEGER DEFAULT 0 NOT NULL,
        invalid INTEGER DEFAULT 0 NOT NULL,
        slices INTEGER DEFAULT 0 NOT NULL,
        waiting_for VARCHAR,
        fault VARCHAR,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        erased_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_match_jobs PRIMARY KEY (id),
        CONSTRAINT ck_match_jobs_state CHECK
            (state IN ('UPLOADING', 'QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'CANCELLED'))
    )
    """,
    "CREATE INDEX ix_match_jobs_open ON match_jobs (created_at) WHERE erased_at IS NULL",
    """
    CREATE TABLE match_job_parts (
        job_id UUID NOT NULL,
        number INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        CONSTRAINT pk_match_job_parts PRIMARY KEY (job_id, number)
    )
    """,
    """
    CREATE TABLE batch_rows (
        agreement TEXT NOT NULL,
        agency TEXT NOT NULL,
        day DATE NOT NULL,
        rows BIGINT NOT NULL,
        CONSTRAINT pk_batch_rows PRIMARY KEY (agreement, agency, day)
    )
    """,
    """
    CREATE TABLE match_job_mismatches (
        job_id UUID NOT NULL,
        line INTEGER NOT NULL,
        personal_id TEXT COLLATE "C" NOT NULL,
        fields TEXT[] NOT NULL,
        CONSTRAINT pk_match_job_mismatches PRIMARY KEY (job_id, line)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
