"""Roots of the ledger's full tiles; what is decided or entered once is not changed by the service's own role."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("index", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name="pk_ledger_nodes"),
    )
    op.execute("CREATE INDEX ix_ledger_arrivals_received_at ON ledger_arrivals (received_at, disclosure_id)")
    op.execute(
        "REVOKE UPDATE, DELETE, TRUNCATE"
        " ON agreement_history, ledger_entries, ledger_nodes, ledger_checkpoints FROM CURRENT_USER"
    )
    # The law may ask for the erasure of a record: only that column may change, and no proof depends on it.
    op.execute("GRANT UPDATE (record) ON ledger_entries TO CURRENT_USER")


def downgrade() -> None:
    op.execute(
        "GRANT UPDATE, DELETE ON agreement_history, ledger_entries, ledger_checkpoints TO CURRENT_USER"
    )
    op.execute("DROP INDEX ix_ledger_arrivals_received_at")
    op.drop_table("ledger_nodes")
