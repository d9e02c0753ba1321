"""Operators let cases be opened for everybody who breaks a rule of quality."""

from alembic import op

revision = "0064"
down_revision = "0063"

_STATEMENTS = (
    """
    CREATE TABLE quality_case_runs (
        id UUID NOT NULL,
        state VARCHAR NOT NULL,
        rule VARCHAR NOT NULL,
        province_code VARCHAR,
        case_id VARCHAR NOT NULL,
        officer VARCHAR NOT NULL,
        approved_by VARCHAR,
        cancelled_by VARCHAR,
        communes VARCHAR[],
        after_person UUID,
        looked INTEGER DEFAULT 0 NOT NULL,
        opened INTEGER DEFAULT 0 NOT NULL,
        known INTEGER DEFAULT 0 NOT NULL,
        deferred INTEGER DEFAULT 0 NOT NULL,
        nowhere INTEGER DEFAULT 0 NOT NULL,
        requested_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        progress_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_quality_case_runs PRIMARY KEY (id)
    )
    """,
    """
    CREATE UNIQUE INDEX uq_quality_case_runs_open ON quality_case_runs ((true))
        WHERE state IN ('REQUESTED', 'APPROVED')
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
