"""Match jobs that stand still expire; those that are under way get their time from now on."""

from alembic import op

revision = "0051"
down_revision = "0050"

_STATES = "'UPLOADING', 'QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'CANCELLED', 'EXPIRED'"
_STATEMENTS = (
    "ALTER TABLE match_jobs DROP CONSTRAINT ck_match_jobs_state",
    f"ALTER TABLE match_jobs ADD CONSTRAINT ck_match_jobs_state CHECK (state IN ({_STATES}))",
    """
    UPDATE match_jobs SET expires_at = clock_timestamp() + interval '7 days'
    WHERE state IN ('QUEUED', 'RUNNING')
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
