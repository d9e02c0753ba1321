"""Runtime tables, e-ID accounts with their locks, and dependants."""

import sqlalchemy as sa
from alembic import op
from ndx_chassis.migrations import create_runtime_tables
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision = "0001"
down_revision = None

_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    create_runtime_tables(op)
    op.create_table(
        "accounts",
        sa.Column("id", UUID(as_uuid=True), nullable=False),
        sa.Column("personal_id", sa.Text, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("opened_by", sa.Text, nullable=False),
        sa.Column("received_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("opened_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("changed_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("personal_id", name="uq_accounts_personal_id"),
        sa.CheckConstraint("personal_id ~ '^[0-9]{12}$'", name="personal_id"),
        sa.CheckConstraint("level IN (1, 2)", name="level"),
        sa.CheckConstraint("state IN ('ACTIVE', 'LOCKED')", name="state"),
    )
    op.create_table(
        "account_locks",
        sa.Column("id", UUID(as_uuid=True), nullable=False),
        sa.Column("account_id", UUID(as_uuid=True), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("started_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_at", TIMESTAMP(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_account_locks"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_account_locks_account_id_accounts"),
    )
    op.create_index(
        "uq_account_locks_open",
        "account_locks",
        ["account_id", "cause"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "dependants",
        sa.Column("id", UUID(as_uuid=True), nullable=False),
        sa.Column("account_id", UUID(as_uuid=True), nullable=False),
        sa.Column("guardian_personal_id", sa.Text, nullable=False),
        sa.Column("dependant_personal_id", sa.Text, nullable=False),
        sa.Column("relation", sa.String(16), nullable=False),
        sa.Column("birth_date", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date, nullable=False),
        sa.Column("attached_at", TIMESTAMP(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("ended_at", TIMESTAMP(timezone=True)),
        sa.Column("end_cause", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_dependants"),
        sa.UniqueConstraint(
            "account_id", "dependant_personal_id", name="uq_dependants_account_id_dependant_personal_id"
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (end_cause IS NULL)", name="end_with_cause"),
    )
    op.create_index("ix_dependants_dependant_personal_id", "dependants", ["dependant_personal_id"])
    op.create_index("ix_dependants_guardian_personal_id", "dependants", ["guardian_personal_id"])
    op.create_index(
        "ix_dependants_ends_on", "dependants", ["ends_on"], postgresql_where=sa.text("ended_at IS NULL")
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
