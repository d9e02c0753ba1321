"""Persons are found by the old number of nine digits.

On a large live database build the partitions' indexes first, one by one, with CREATE INDEX CONCURRENTLY.
"""

from alembic import op

revision = "0022"
down_revision = "0031"


def upgrade() -> None:
    op.execute(
        "CREATE INDEX ix_persons_legacy_id_number ON persons (legacy_id_number) WHERE legacy_id_number IS NOT NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
