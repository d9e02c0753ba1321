"""Since when numbers of a prefix are given out, and what was announced about its use."""

from alembic import op

revision = "0012"
down_revision = "0032"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE personal_id_counters"
        " ADD COLUMN first_taken_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,"
        " ADD COLUMN announced INTEGER DEFAULT 0 NOT NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
