"""Deaths by their registration, so that one can be taken back, and each number keeps its own."""

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE registered_deaths (
            death_id uuid NOT NULL,
            personal_id text COLLATE "C" NOT NULL,
            died_on date NOT NULL,
            source text NOT NULL,
            told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            cancelled_at timestamptz,
            CONSTRAINT pk_registered_deaths PRIMARY KEY (death_id)
        )
        """
    )
    op.execute("CREATE INDEX ix_registered_deaths_personal_id ON registered_deaths (personal_id)")


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
