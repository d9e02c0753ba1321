"""How many events a webhook takes in one request."""

from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    op.execute("ALTER TABLE feed_subscriptions ADD COLUMN max_events integer NOT NULL DEFAULT 1")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
