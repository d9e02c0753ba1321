"""Cancelled entries: a status, and deaths that are unique while they stand.

What looks through a table does so beside its readers and writers, and outside a transaction: so a run that died
in the middle has left some of it, and the next one begins anew.
"""

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE deaths ADD COLUMN IF NOT EXISTS cancelled_at timestamptz")
    # Not looked through under the lock: what is there fits, and is validated afterwards beside the writers.
    op.execute("ALTER TABLE records DROP CONSTRAINT IF EXISTS ck_records_status_known")
    op.execute(
        "ALTER TABLE records ADD CONSTRAINT ck_records_status_known CHECK (status IN ('CREATED', 'NOTIFIED',"
        " 'DECLARED', 'REGISTERED', 'ARCHIVED', 'CANCELLED')) NOT VALID"
    )
    connection = op.get_bind()
    usual = connection.scalar(text("SHOW statement_timeout"))
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("ALTER TABLE records VALIDATE CONSTRAINT ck_records_status_known")
        # An index that a run did not finish has the name, and holds nothing unique.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_deaths_standing")
        op.execute(
            "CREATE UNIQUE INDEX CONCURRENTLY uq_deaths_standing ON deaths (personal_id)"
            " WHERE cancelled_at IS NULL"
        )
        op.execute(f"SET statement_timeout = '{usual}'")
    op.execute("ALTER TABLE deaths DROP CONSTRAINT IF EXISTS uq_deaths_personal_id")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
