"""Deaths that are taken back: a row without a day, and of which version of which record it tells."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE deaths ALTER COLUMN died_on DROP NOT NULL,"
        " ADD COLUMN record uuid, ADD COLUMN version integer"
    )
    op.execute("CREATE INDEX ix_deaths_record ON deaths (record) WHERE record IS NOT NULL")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
