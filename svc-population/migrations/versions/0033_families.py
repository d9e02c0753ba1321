"""Relationships know since when; what has ended is kept beside them."""

from alembic import op

revision = "0033"
down_revision = "0023"

_STATEMENTS = (
    "ALTER TABLE relationships ADD COLUMN since DATE",
    """
    CREATE TABLE relationship_history (
        id UUID NOT NULL,
        personal_id TEXT COLLATE "C" NOT NULL,
        relation VARCHAR NOT NULL,
        related_personal_id TEXT COLLATE "C",
        related_name VARCHAR,
        related_birth_year INTEGER,
        related_nationality VARCHAR,
        source VARCHAR NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
        since DATE,
        ended_on DATE,
        end_cause VARCHAR NOT NULL,
        end_source VARCHAR NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_relationship_history PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_relationship_history_personal_id ON relationship_history (personal_id)",
    "CREATE INDEX ix_relationship_history_related_personal_id ON relationship_history (related_personal_id)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("schema changes go forward only")
