"""A consent follows its person to another number: which one it follows, and finding them by the number.

On a large live database build the two indexes first with CREATE INDEX CONCURRENTLY.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("given_consents", sa.Column("follows", sa.Uuid))
    op.create_foreign_key(
        "fk_given_consents_follows_given_consents", "given_consents", "given_consents", ["follows"], ["id"]
    )
    for column in ("follows", "personal_id"):
        op.create_index(f"ix_given_consents_{column}", "given_consents", [column], if_not_exists=True)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
