"""Match jobs open reconciliation cases where they were asked to."""

from alembic import op

revision = "0050"
down_revision = "0035"

_COLUMNS = (
    "opens_cases BOOLEAN DEFAULT false NOT NULL",
    "cases_opened INTEGER DEFAULT 0 NOT NULL",
    "cases_known INTEGER DEFAULT 0 NOT NULL",
)


def upgrade() -> None:
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE match_jobs ADD COLUMN {column}")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
