"""Which days an agency has compared somebody's birth date with: a few of them close in on it."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("ALTER TABLE verification_guards ADD COLUMN bounds DATE[] DEFAULT '{}' NOT NULL")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
