"""Former numbers: which leads to which, so that one person's death is registered once."""

from alembic import op
from ndx_chassis.migrations import create_former_numbers

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_former_numbers(op)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
