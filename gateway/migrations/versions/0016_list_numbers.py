"""Numbers of revocation lists may have twenty bytes."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE revocation_lists ALTER COLUMN number TYPE numeric(49), "
        "ALTER COLUMN alarmed_number TYPE numeric(49)"
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
