"""Cases about two records are found by one of them, when the records are merged."""

from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(
            """
            CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_reconciliation_cases_pair
                ON reconciliation_cases (personal_id) WHERE other_personal_id IS NOT NULL
            """
        )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
