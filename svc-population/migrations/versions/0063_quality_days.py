"""Quality: everybody is counted in slices, and each day's indicators are kept."""

from alembic import op

revision = "0063"
down_revision = "0062"

_STATEMENTS = (
    # Null: a generation of the former code, which counted in one statement, or one that is live.
    'ALTER TABLE quality_generations ADD COLUMN counted_until TEXT COLLATE "C"',
    "ALTER TABLE quality_deltas ADD COLUMN slice TEXT COLLATE \"C\" DEFAULT '' NOT NULL",
    """
    CREATE TABLE quality_days (
        level VARCHAR NOT NULL,
        code TEXT COLLATE "C" NOT NULL,
        day DATE NOT NULL,
        generation INTEGER NOT NULL,
        kept_at TIMESTAMP WITH TIME ZONE NOT NULL,
        persons INTEGER NOT NULL,
        living INTEGER NOT NULL,
        faultless JSONB NOT NULL,
        rules JSONB NOT NULL,
        CONSTRAINT pk_quality_days PRIMARY KEY (level, code, day)
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
