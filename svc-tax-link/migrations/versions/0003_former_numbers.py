"""Former numbers: which leads to which, and what followed it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "former_numbers",
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("superseded_by", sa.Text, nullable=False),
        sa.Column("merged", sa.Boolean, nullable=False),
        sa.Column("kept", JSONB, nullable=False),
        sa.Column(
            "recorded_at", TIMESTAMP(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()
        ),
        sa.PrimaryKeyConstraint("personal_id", name="pk_former_numbers"),
    )
    op.create_index("ix_former_numbers_superseded_by", "former_numbers", ["superseded_by"])


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
