"""A bulk load that was killed is known as such and taken up; parents who are not older are found at once."""

from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE imports ADD COLUMN IF NOT EXISTS fingerprint varchar,"
        " ADD COLUMN IF NOT EXISTS takes_up uuid, ADD COLUMN IF NOT EXISTS progressed_at timestamptz"
    )
    with op.get_context().autocommit_block():
        op.execute(
            """
            CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_relationships_parent_not_older
                ON relationships (related_personal_id)
                WHERE relation IN ('MOTHER', 'FATHER') AND related_personal_id IS NOT NULL
                    AND ((translate(substr(related_personal_id, 4, 1), '13579', '02468')
                            || substr(related_personal_id, 5, 2)) COLLATE "C")
                        >= ((translate(substr(personal_id, 4, 1), '13579', '02468')
                            || substr(personal_id, 5, 2)) COLLATE "C")
            """
        )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
