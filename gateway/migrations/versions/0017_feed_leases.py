"""Which process sends to a webhook now, and until when nobody else does."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE feed_subscriptions ADD COLUMN leased_by uuid, ADD COLUMN leased_until timestamptz"
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
