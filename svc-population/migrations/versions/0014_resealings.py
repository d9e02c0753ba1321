"""How far the sensitive values were sealed anew with a key."""

from alembic import op

revision = "0014"
down_revision = "0033"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE resealings (
            key_id TEXT NOT NULL,
            part TEXT NOT NULL,
            position TEXT,
            resealed BIGINT DEFAULT 0 NOT NULL,
            finished_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_resealings PRIMARY KEY (key_id, part)
        )
        """
    )


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
