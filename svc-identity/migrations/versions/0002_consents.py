"""Consents: the service's own copy, and those that holders give here."""

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_consents

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_consents(op)
    op.create_table(
        "given_consents",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("agency", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("field_groups", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("given_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("valid_until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_given_consents"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_given_consents_account_id_accounts"
        ),
    )
    op.create_index("ix_given_consents_account_id", "given_consents", ["account_id"])


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
