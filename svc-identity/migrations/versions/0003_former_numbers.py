"""Former numbers: which leads to which, and what followed it."""

from alembic import op
from ndx_chassis.migrations import create_former_numbers

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_former_numbers(op)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
