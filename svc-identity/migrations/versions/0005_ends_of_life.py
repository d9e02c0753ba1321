"""What was told last of each record's death, so that late words of it change nothing."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE ends_of_life (
            record uuid NOT NULL,
            personal_id text NOT NULL,
            version integer NOT NULL,
            dead boolean NOT NULL,
            told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT pk_ends_of_life PRIMARY KEY (record)
        )
        """
    )
    op.execute("CREATE INDEX ix_ends_of_life_personal_id ON ends_of_life (personal_id)")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
