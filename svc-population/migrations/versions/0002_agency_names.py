"""Agencies in words, for the citizen's list of reads."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "agency_names",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_agency_names"),
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
