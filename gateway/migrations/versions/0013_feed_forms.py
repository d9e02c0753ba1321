"""How events are written for a webhook: as CloudEvents, or as messages of OSIA's notification file."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("ALTER TABLE feed_subscriptions ADD COLUMN form text NOT NULL DEFAULT 'CLOUD_EVENT'")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
