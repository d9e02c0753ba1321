"""Cancelled entries: a status, and deaths that are unique while they stand."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE deaths ADD COLUMN cancelled_at timestamptz")
    # Not looked through under the lock: what is there fits, and is validated afterwards beside the writers.
    op.execute("ALTER TABLE records DROP CONSTRAINT ck_records_status_known")
    op.execute(
        "ALTER TABLE records ADD CONSTRAINT ck_records_status_known CHECK (status IN ('CREATED', 'NOTIFIED',"
        " 'DECLARED', 'REGISTERED', 'ARCHIVED', 'CANCELLED')) NOT VALID"
    )
    op.execute("ALTER TABLE records VALIDATE CONSTRAINT ck_records_status_known")
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_deaths_standing ON deaths (personal_id)"
            " WHERE cancelled_at IS NULL"
        )
    op.execute("ALTER TABLE deaths DROP CONSTRAINT uq_deaths_personal_id")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
