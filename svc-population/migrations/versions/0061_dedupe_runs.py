"""A search for duplicates is asked for and approved, tells how far it is, and goes on after a kill."""

from alembic import op

revision = "0061"
down_revision = "0040"

_STATEMENTS = (
    """
    ALTER TABLE dedupe_runs
        ALTER COLUMN started_at DROP NOT NULL,
        ALTER COLUMN started_at DROP DEFAULT,
        ADD COLUMN stage VARCHAR,
        ADD COLUMN model_digest VARCHAR,
        ADD COLUMN approved_by VARCHAR,
        ADD COLUMN cancelled_by VARCHAR,
        ADD COLUMN parts INTEGER DEFAULT 0 NOT NULL,
        ADD COLUMN compared INTEGER DEFAULT 0 NOT NULL,
        ADD COLUMN pairs BIGINT DEFAULT 0 NOT NULL,
        ADD COLUMN settled BIGINT DEFAULT 0 NOT NULL,
        ADD COLUMN rules JSONB DEFAULT '{}'::jsonb NOT NULL,
        ADD COLUMN resumed INTEGER DEFAULT 0 NOT NULL,
        ADD COLUMN requested_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        ADD COLUMN progress_at TIMESTAMP WITH TIME ZONE,
        ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE
    """,
    "UPDATE dedupe_runs SET requested_at = started_at, erased_at = finished_at WHERE started_at IS NOT NULL",
    # What ran before can go on nowhere: it kept nothing.
    "UPDATE dedupe_runs SET state = 'INTERRUPTED', finished_at = clock_timestamp() WHERE state = 'RUNNING'",
    """
    CREATE UNIQUE INDEX uq_dedupe_runs_open ON dedupe_runs ((true))
        WHERE state IN ('REQUESTED', 'APPROVED', 'RUNNING', 'CANCELLING')
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
